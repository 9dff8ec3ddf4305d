import { describe, expect, it } from 'vitest';
import { judge, measuredSchema, benchResult } from './bars.js';

const measured = measuredSchema.parse({
  bench: 'engine',
  device: { kind: 'cpu', threads: 2, warning: 'no bf16' },
  sides: { slow: { value: 9, unit: 'ms', note: 'one step' }, fast: { value: 3, unit: 'ms' } },
  ratios: { speedup: 3, other: 0.25 },
  runs: [
    { slow: 9, fast: 3 },
    { slow: 8, fast: 4 },
  ],
});

describe('judge', () => {
  it('wants a ratio to reach its bar and a side to stay below', () => {
    expect(judge(measured, { ratios: { speedup: 3 }, sidesBelow: { fast: 3 } })).toEqual([
      { name: 'speedup', value: 3, bar: '≥ 3', met: true },
      { name: 'other', value: 0.25, bar: undefined, met: true },
      { name: 'fast', value: 3, bar: '< 3', met: false },
    ]);
  });

  it('takes what was not measured as not met', () => {
    const verdicts = judge(measured, { ratios: { missing: 1 }, sidesBelow: { gone: 1 } });
    expect(verdicts.filter(({ met }) => !met).map(({ name }) => name)).toEqual(['missing', 'gone']);
  });
});

describe('benchResult', () => {
  it('passes when every bar is met, and shows each with its verdict', () => {
    const { passed, text } = benchResult(measured, { ratios: { speedup: 2, other: 0.5 } });
    expect(passed).toBe(false);
    expect(text).toMatch(/speedup\s*│\s*3\s*│\s*≥ 2\s*│\s*met/);
    expect(text).toMatch(/other\s*│\s*0\.25\s*│\s*≥ 0\.5\s*│\s*missed/);
    expect(text).toMatch(/slow\s*│\s*9\s*│\s*8\s*│\s*9\s*│\s*ms/);
    expect(text).toContain('slow: one step');
    expect(text).toContain('warning: no bf16');
    expect(benchResult(measured, { ratios: { speedup: 3 } }).passed).toBe(true);
  });
});
