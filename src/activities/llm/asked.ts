import type { Arm, Domain, Item, PromptStyle, Source } from '../../domains/domain.js';
import type { RetentionItem } from '../../ledger/index.js';
import { questionsOf, type Question } from '../../domains/questions.js';

/** A question in one arm. */
export interface ArmQuestion extends Question {
  arm: Arm;
}

/** How a round puts questions. */
export interface Phrasing {
  domain: Domain;
  style: PromptStyle;
}

export const inSplit = ({ items }: Source, which: Item['split']): Item[] =>
  items.filter((item) => item.split === which);

export function questionsFor(asking: Phrasing, source: Source | null, items: Item[], arm: Arm): ArmQuestion[] {
  return questionsOf(asking, source, items, arm).map((question) => ({ ...question, arm }));
}

/** Canaries and the frozen set belong to no source, hence to no part; the digest of an item does not hold its part. */
export const retentionQuestions = (asking: Phrasing, retention: RetentionItem[]): ArmQuestion[] =>
  questionsFor(
    asking,
    null,
    retention.map((item) => ({ ...item, split: 'B' })),
    'closedBook',
  );
