import type { Arm, Domain, Item, PromptStyle, Source } from '../../domains/domain.js';
import type { Probe } from '../../ledger/index.js';
import { questionsOf, type Question } from '../../domains/questions.js';

/** A question in one arm. */
export interface Asked extends Question {
  arm: Arm;
}

/** How a round puts questions. */
export interface Asking {
  domain: Domain;
  style: PromptStyle;
}

export const part = ({ items }: Source, which: Item['part']): Item[] => items.filter((item) => item.part === which);

export function ask(asking: Asking, source: Source | null, items: Item[], arm: Arm): Asked[] {
  return questionsOf(asking, source, items, arm).map((question) => ({ ...question, arm }));
}

/** Canaries and the frozen set belong to no source, hence to no part; the digest of an item does not hold its part. */
export const askProbes = (asking: Asking, probes: Probe[]): Asked[] =>
  ask(
    asking,
    null,
    probes.map((probe) => ({ ...probe, part: 'B' })),
    'closedBook',
  );
