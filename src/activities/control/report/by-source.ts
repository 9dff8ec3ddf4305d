import type { Evaluation, Scores } from '../../../contract/index.js';
import type { Trial } from '../../../ledger/index.js';
import { groupBy } from '../../../seal/group-by.js';
import { mean, pairedBootstrap, type Interval } from '../../../seal/statistics.js';

/** A number for each document that has one. */
export type BySource = Map<string, number>;

/** An arm beside another on the documents that both have. */
export interface Comparison {
  arm: number | null;
  against: number | null;
  /** arm − against, with a bootstrap interval over documents */
  gain: Interval;
}

/** Draws of a bootstrap: an interval's ends are then stable to a small part of its width. */
const resamples = 2000;

/** The mean match of each document over its scored trials. */
export function matchBySource(trials: Trial[], scoresOf: (evaluation: Evaluation) => Scores | null): BySource {
  const means: BySource = new Map();
  for (const [sourceId, ofSource] of groupBy(trials, ({ spec }) => spec.sourceId)) {
    const matches = ofSource.flatMap(({ result }) => {
      if (result?.outcome !== 'scored' || result.evaluation === null) return [];
      const scores = scoresOf(result.evaluation);
      return scores === null || scores.questions === 0 ? [] : [scores.match];
    });
    const value = mean(matches);
    if (value !== null) means.set(sourceId, value);
  }
  return means;
}

/** Both on the documents that both have. */
export function compare(arm: BySource, against: BySource, seed: number): Comparison {
  const pairs = [...arm].flatMap(([cluster, a]) => {
    const b = against.get(cluster);
    return b === undefined ? [] : [{ cluster, a, b }];
  });
  return {
    arm: mean(pairs.map(({ a }) => a)),
    against: mean(pairs.map(({ b }) => b)),
    gain: pairedBootstrap(pairs, { seed, resamples }),
  };
}

export const meanOf = (values: BySource): number | null => mean([...values.values()]);
