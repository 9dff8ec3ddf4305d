import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { groupBy } from './group-by.js';

/** The arithmetic mean; null of nothing. */
export function mean(values: number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** One question's score under two conditions; questions of one document share a `cluster`. */
export interface Pair {
  cluster: string;
  a: number;
  b: number;
}

export interface Interval {
  /** mean of a − b over all pairs; null of nothing */
  estimate: number | null;
  /** null with fewer than two clusters: nothing can be said of other documents */
  low: number | null;
  high: number | null;
  clusters: number;
}

/**
 * The mean difference a − b with a percentile bootstrap interval. Whole documents are drawn, because the questions of one
 * document stand or fall together. The same seed gives the same interval.
 */
export function pairedBootstrap(
  pairs: Pair[],
  { seed, resamples = 10_000, level = 0.95 }: { seed: number; resamples?: number; level?: number },
): Interval {
  const documents = [...groupBy(pairs, ({ cluster }) => cluster).values()].map((group) => ({
    sum: group.reduce((sum, { a, b }) => sum + (a - b), 0),
    count: group.length,
  }));
  const estimate = mean(pairs.map(({ a, b }) => a - b));
  if (documents.length < 2) return { estimate, low: null, high: null, clusters: documents.length };

  const random = xoroshiro128plus(seed);
  const means = Array.from({ length: resamples }, () => {
    let sum = 0;
    let count = 0;
    for (let i = 0; i < documents.length; i += 1) {
      const drawn = documents[uniformInt(random, 0, documents.length - 1)];
      if (drawn === undefined) continue;
      sum += drawn.sum;
      count += drawn.count;
    }
    return sum / count;
  }).sort((left, right) => left - right);
  const tail = Math.floor(((1 - level) / 2) * resamples);
  return {
    estimate,
    low: means[tail] ?? null,
    high: means[resamples - 1 - tail] ?? null,
    clusters: documents.length,
  };
}
