import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { describe, expect, it } from 'vitest';
import { mean, meanInterval } from './statistics.js';

describe('mean', () => {
  it('is null of nothing', () => {
    expect(mean([])).toBeNull();
    expect(mean([1, 2, 6])).toBe(3);
  });
});

describe('meanInterval', () => {
  it("is Student's", () => {
    // t of 3 degrees of freedom is 3.1824; the standard error is 0.6455
    const { estimate, low, high } = meanInterval([1, 2, 3, 4]);
    expect(estimate).toBe(2.5);
    expect(low).toBeCloseTo(2.5 - 3.18245 * 0.645497, 4);
    expect(high).toBeCloseTo(2.5 + 3.18245 * 0.645497, 4);
    expect(meanInterval([1, 2, 3, 4], { level: 0.5 })).toMatchObject({ estimate: 2.5 });
  });

  it('has no interval of no width, however many documents there are', () => {
    const gains = [2 / 3 - 1 / 3, 1 / 3, 1 - 2 / 3];
    for (const values of [gains, gains.slice(1), Array<number>(40).fill(0)]) {
      expect(meanInterval(values)).toMatchObject({ low: null, high: null, clusters: values.length });
    }
    expect(meanInterval([1 / 6, 1 / 6])).toMatchObject({ estimate: 1 / 6, low: null, high: null });
  });

  it('has none of one document or of nothing', () => {
    expect(meanInterval([1])).toEqual({ estimate: 1, low: null, high: null, clusters: 1, fewDocuments: true });
    expect(meanInterval([])).toEqual({ estimate: null, low: null, high: null, clusters: 0, fewDocuments: true });
  });

  it('says where it rests on few documents', () => {
    expect(meanInterval([0, 1, 0, 1])).toMatchObject({ clusters: 4, fewDocuments: true });
    expect(meanInterval([0, 1, 0, 1, 0])).toMatchObject({ clusters: 5, fewDocuments: false });
  });

  it('stays within what a mean can be', () => {
    expect(meanInterval([0, 1], { within: [-1, 1] })).toMatchObject({ estimate: 0.5, low: -1, high: 1 });
  });
});

describe('95 % of the intervals hold the truth', () => {
  const simulated = 4000;
  const random = xoroshiro128plus(20_260_101);
  const uniform = (): number => uniformFloat64(random);
  const sumOf = (n: number, draw: () => number): number => Array.from({ length: n }, draw).reduce((a, b) => a + b, 0);
  /** five questions of a document, all of which are a little harder or easier than those of others */
  const match = (share: number): number => {
    const known = share + 0.2 * (uniform() - 0.5);
    return sumOf(5, () => Number(uniform() < known)) / 5;
  };
  const kinds = {
    'normal gains': { draw: () => 0.1 + 0.2 * (sumOf(12, uniform) - 6), truth: 0.1 },
    // most documents gain little, some much: a gamma distribution
    'skewed gains': { draw: () => -sumOf(6, () => Math.log(1 - uniform())) / 60, truth: 0.1 },
    'matches, no gain': { draw: () => match(0.3) - match(0.3), truth: 0 },
    'matches, a gain': { draw: () => match(0.5) - match(0.2), truth: 0.3 },
    'one question a document': { draw: () => Number(uniform() < 0.6) - Number(uniform() < 0.3), truth: 0.3 },
  };
  const cases = Object.entries(kinds).flatMap(([kind, { draw, truth }]) =>
    [4, 6, 10, 30].map((documents) => ({ kind, documents, draw, truth })),
  );

  it.each(cases)('$kind of $documents documents', ({ kind, documents, draw, truth }) => {
    const intervals = Array.from({ length: simulated }, () => meanInterval(Array.from({ length: documents }, draw)));
    const given = intervals.filter(({ low }) => low !== null);
    const covered = given.filter(({ low, high }) => (low ?? 0) <= truth + 1e-9 && truth - 1e-9 <= (high ?? 0));
    const coverage = covered.length / given.length;
    expect(coverage).toBeGreaterThan(0.93);
    // four documents of one question have seven sums: some interval is then too wide, none too narrow
    if (!(kind === 'one question a document' && documents === 4)) expect(coverage).toBeLessThan(0.97);
  });
});
