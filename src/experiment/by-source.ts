import type { Evaluation, Scores } from '../contract/index.js';
import type { Trial } from '../ledger/index.js';
import { groupBy } from '../lib/group-by.js';
import { mean, meanInterval, type Interval } from '../seal/statistics.js';

/** A number for each document that has one. */
export type BySource = Map<string, number>;

/** An arm against another on the documents that both have. */
export interface Comparison {
  arm: number | null;
  against: number | null;
  /** arm − against */
  gain: Interval;
}

/** What a difference between two shares can be. */
const differences = [-1, 1] as const;

/** The mean of a component over each document's scored trials. */
export function meanBySource(
  trials: Trial[],
  component: string,
  scoresOf: (evaluation: Evaluation) => Scores | null,
): BySource {
  const means: BySource = new Map();
  for (const [sourceId, ofSource] of groupBy(trials, ({ spec }) => spec.sourceId)) {
    const scored = ofSource.flatMap(({ result }) => {
      if (result?.outcome !== 'scored' || result.evaluation === null) return [];
      const scores = scoresOf(result.evaluation);
      return scores === null || scores.questions === 0 ? [] : (scores.means[component] ?? []);
    });
    const value = mean(scored);
    if (value !== null) means.set(sourceId, value);
  }
  return means;
}

/** Both on the documents that both have. */
export function compare(arm: BySource, against: BySource): Comparison {
  const pairs = [...arm].flatMap(([sourceId, a]) => {
    const b = against.get(sourceId);
    return b === undefined ? [] : [{ a, b }];
  });
  return {
    arm: mean(pairs.map(({ a }) => a)),
    against: mean(pairs.map(({ b }) => b)),
    gain: meanInterval(
      pairs.map(({ a, b }) => a - b),
      { within: differences },
    ),
  };
}

export const meanOf = (values: BySource): number | null => mean([...values.values()]);
