import { describe, expect, it } from 'vitest';
import { mean, pairedBootstrap } from './statistics.js';

const pair = (cluster: string, a: number, b: number) => ({ cluster, a, b });

describe('mean', () => {
  it('is null of nothing', () => {
    expect(mean([])).toBeNull();
    expect(mean([1, 2, 6])).toBe(3);
  });
});

describe('pairedBootstrap', () => {
  it('has no width where every question gains the same', () => {
    const pairs = ['x', 'x', 'y', 'z'].map((cluster, i) => pair(cluster, i + 0.25, i));
    expect(pairedBootstrap(pairs, { seed: 1 })).toEqual({ estimate: 0.25, low: 0.25, high: 0.25, clusters: 3 });
  });

  it('draws documents: two that gain 0 and 1 resample to 0, 1/2 or 1, each end with a quarter', () => {
    const pairs = [pair('x', 0, 0), pair('y', 1, 0)];
    expect(pairedBootstrap(pairs, { seed: 1 })).toEqual({ estimate: 0.5, low: 0, high: 1, clusters: 2 });
    expect(pairedBootstrap(pairs, { seed: 1, level: 0.4 })).toMatchObject({ low: 0.5, high: 0.5 });
  });

  it('weighs a document by its questions', () => {
    const pairs = [pair('x', 0, 0), pair('x', 0, 0), pair('x', 0, 0), pair('y', 1, 0)];
    expect(pairedBootstrap(pairs, { seed: 1 })).toMatchObject({ estimate: 0.25, low: 0, high: 1 });
  });

  it('is close to the normal interval for forty documents of one question', () => {
    const pairs = Array.from({ length: 40 }, (_, i) => pair(`d${i}`, i % 2, 0));
    const { low, high } = pairedBootstrap(pairs, { seed: 7 });
    const half = 1.96 * Math.sqrt(0.25 / 40);
    expect(low).toBeCloseTo(0.5 - half, 1);
    expect(high).toBeCloseTo(0.5 + half, 1);
  });

  it('repeats with the seed', () => {
    const pairs = Array.from({ length: 9 }, (_, i) => pair(`d${i % 4}`, (i * 7) % 5, (i * 3) % 4));
    expect(pairedBootstrap(pairs, { seed: 3 })).toEqual(pairedBootstrap(pairs, { seed: 3 }));
    expect(pairedBootstrap(pairs, { seed: 3, resamples: 99 })).not.toEqual(
      pairedBootstrap(pairs, { seed: 4, resamples: 99 }),
    );
  });

  it('has no interval for one document or none', () => {
    expect(pairedBootstrap([pair('x', 1, 0)], { seed: 1 })).toEqual({
      estimate: 1,
      low: null,
      high: null,
      clusters: 1,
    });
    expect(pairedBootstrap([], { seed: 1 }).estimate).toBeNull();
  });
});
