import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { outcomes } from '../contract/index.js';
import type { TrialRecord } from './records.js';
import { select } from './select.js';

const reward = (total: number) => ({ gain: total, penalty: 0, total });
const scored = (sourceId: string, index: number, ...totals: number[]): TrialRecord => ({
  trialId: `${sourceId}.e${index}`,
  sourceId,
  index,
  outcome: 'scored',
  rewards: totals.map(reward),
  editDigest: null,
  canariesLost: null,
});
const failed = (sourceId: string, index: number, outcome: TrialRecord['outcome']): TrialRecord => ({
  ...scored(sourceId, index),
  outcome,
});
const gain = { rule: 'gain', minimum: 0, maxCanariesLost: 0.5 } as const;
const reference = { rule: 'reference', minimum: 0, maxCanariesLost: 0.5 } as const;

describe('select', () => {
  it('takes the best mean over repeats, the first among equals, and says that it is a tie', () => {
    const { chosen, ties } = select(
      [scored('x', 0, 0.1, 0.3), scored('x', 1, 0.2), scored('x', 2, 0.1), scored('y', 0, 0.5), scored('y', 1, 0.4)],
      gain,
    );
    expect(chosen).toEqual([
      { sourceId: 'x', trialId: 'x.e0', reward: 0.2, tie: true },
      { sourceId: 'y', trialId: 'y.e0', reward: 0.5, tie: false },
    ]);
    expect(ties).toBe(1);
  });

  it('takes no edit that forgets too much, by either rule', () => {
    const forgets = (record: TrialRecord, canariesLost: number): TrialRecord => ({ ...record, canariesLost });
    const trials = [
      forgets(scored('x', 0, 0.9), 0.51),
      forgets(scored('x', 1, 0.1), 0.5),
      forgets(scored('y', 0, 1), 1),
    ];
    for (const rule of [gain, reference]) {
      expect(select(trials, rule)).toMatchObject({
        chosen: [{ trialId: 'x.e1' }],
        without: [
          {
            sourceId: 'y',
            reason: 'every scored edit (1) lost more canaries than reward.maxCanariesLost allows (0.5)',
          },
        ],
      });
      expect(select(trials, { ...rule, maxCanariesLost: 1 }).chosen).toHaveLength(2);
    }
  });

  it('demands a reward above the minimum by `gain`, which `reference` does not', () => {
    const trials = [scored('x', 0, -0.2), scored('x', 1, 0)];
    expect(select(trials, gain)).toMatchObject({
      chosen: [],
      without: [{ sourceId: 'x', reason: 'the best reward, 0.0000, is not above 0' }],
    });
    expect(select(trials, reference).chosen).toMatchObject([{ trialId: 'x.e1', reward: 0 }]);
  });

  it('says why a source has no candidate', () => {
    const trials = [failed('x', 0, 'diverged'), failed('x', 1, 'invalid_edit'), failed('x', 2, 'invalid_edit')];
    expect(select(trials, reference).without).toEqual([
      { sourceId: 'x', reason: 'no candidate was scored: 1 diverged, 2 invalid_edit' },
    ]);
  });

  it('never takes a failure for a 0: a negative score beats it', () => {
    expect(select([failed('x', 0, 'infra_failure'), scored('x', 1, -1)], reference).chosen[0]?.trialId).toBe('x.e1');
  });

  const record = fc.record({
    sourceId: fc.constantFrom('a', 'b', 'c'),
    outcome: fc.oneof(fc.constant('scored' as const), fc.constantFrom(...outcomes)),
    rewards: fc.array(
      fc.integer({ min: -4, max: 4 }).map((n) => reward(n / 4)),
      { minLength: 1, maxLength: 3 },
    ),
  });
  const trialsOf = fc.array(record, { maxLength: 20 }).map((records) =>
    records.map((r, index): TrialRecord => ({
      ...r,
      trialId: `t${index}`,
      index,
      editDigest: null,
      canariesLost: null,
    })),
  );

  it('chooses once or says why not, for every source, and nothing scored beats the chosen', () => {
    fc.assert(
      fc.property(trialsOf, fc.constantFrom(gain, reference), (trials, rule) => {
        const { chosen, without } = select(trials, rule);
        const named = [...chosen, ...without].map(({ sourceId }) => sourceId);
        expect(named.sort()).toEqual([...new Set(trials.map(({ sourceId }) => sourceId))].sort());
        for (const { sourceId, trialId, reward: best } of chosen) {
          expect(trials.find((t) => t.trialId === trialId)?.outcome).toBe('scored');
          if (rule.rule === 'gain') expect(best).toBeGreaterThan(0);
          for (const t of trials.filter((t) => t.sourceId === sourceId && t.outcome === 'scored')) {
            expect(t.rewards.reduce((sum, { total }) => sum + total, 0) / t.rewards.length).toBeLessThanOrEqual(best);
          }
        }
      }),
    );
  });

  it("depends on no order of a source's trials", () => {
    fc.assert(
      fc.property(trialsOf, (trials) => {
        const bySource = (s: TrialRecord[]) => [...s].sort((l, r) => l.sourceId.localeCompare(r.sourceId));
        expect(select(bySource([...trials].reverse()), gain)).toEqual(select(bySource(trials), gain));
      }),
    );
  });

  it('has a digest that follows its content', () => {
    const trials = [scored('x', 0, 0.5)];
    expect(select(trials, gain).digest).toBe(select(trials, gain).digest);
    expect(select(trials, { ...gain, minimum: 0.1 }).digest).not.toBe(select(trials, gain).digest);
  });
});
