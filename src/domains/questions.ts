import type { Arm, Asked, Domain, Item, PromptStyle, RetentionItem, Source, Split } from './domain.js';
import { itemDigest } from '../seal/keys.js';

/** How a round puts items: the words are the domain's. */
export interface Phrasing {
  domain: Domain;
  style: PromptStyle;
}

/** An item as it is put to a model in one arm, and the digest under which its answer is kept. */
export interface Question extends Asked {
  item: RetentionItem;
  /** null: a canary or an item of the frozen set, which belong to no source */
  sourceId: string | null;
  arm: Arm;
  itemDigest: string;
}

/**
 * Puts items in one arm. The code that asks and the code that later reads the answers both call this function, so that
 * both use the same digests.
 *
 * @param source null for retention items
 */
export function questionsOf(
  { domain, style }: Phrasing,
  source: Source | null,
  items: readonly RetentionItem[],
  arm: Arm,
): Question[] {
  return items.map((item) => {
    const asked = domain.ask(source?.content ?? null, item.content, arm, style);
    const { prompt, sampling } = asked;
    return {
      ...asked,
      item,
      sourceId: source?.sourceId ?? null,
      arm,
      itemDigest: itemDigest({ prompt, sampling, content: item.content }),
    };
  });
}

export const inSplit = ({ items }: Source, split: Split): Item[] => items.filter((item) => item.split === split);
