import type { Prompt } from '../contract/index.js';
import type { Arm, Domain, Item, PromptStyle, Source } from './domain.js';
import { itemDigest } from '../seal/keys.js';

/** An item as it is put to a model, and the digest under which its answer is kept. */
export interface Question {
  item: Item;
  /** null: a canary or a question of the frozen set, which belong to no source */
  sourceId: string | null;
  prompt: Prompt;
  sampling: AnswerSampling;
  itemDigest: string;
}

/** How an answer is sampled, and where it ends. */
export interface AnswerSampling {
  maxTokens: number;
  temperature: 0;
  stop?: string[];
}

/** Stands for the source of a probe: there is none. */
const noSource: Source = { sourceId: '', title: '', text: '', role: 'train', items: [] };

/**
 * Puts items in one arm. Whoever asks and whoever reads the answers later call this one function, so that both use the
 * same digests. `source` is null for probes.
 */
export function questionsOf(
  { domain, style }: { domain: Domain; style: PromptStyle },
  source: Source | null,
  items: Item[],
  arm: Arm,
): Question[] {
  return items.map((item) => {
    const prompt = domain.itemPrompt(source ?? noSource, item, arm, style);
    const sampling = samplingOf(domain, item, prompt);
    return {
      item,
      sourceId: source?.sourceId ?? null,
      prompt,
      sampling,
      itemDigest: itemDigest({ prompt, answer: item.answer, otherAnswers: item.otherAnswers, sampling }),
    };
  });
}

/** Where an answer ends: a base model would go on with the next question. */
const samplingOf = (
  { answerTokens }: Domain,
  { answer, otherAnswers = [] }: Item,
  { kind }: Prompt,
): AnswerSampling => ({
  maxTokens: Math.min(mostTokens, Math.max(answerTokens, ...[answer, ...otherAnswers].map(longestTokens))),
  temperature: 0,
  ...(kind === 'text' && { stop: ['\n'] }),
});

const mostTokens = 128;

/** About as many tokens as a text can have: what a tokenizer of English does not know, it reads byte by byte. */
function longestTokens(text: string): number {
  const known = text.match(/[\x20-\x7e]/gu)?.length ?? 0;
  return Math.ceil(known / 3) + (new TextEncoder().encode(text).length - known);
}
