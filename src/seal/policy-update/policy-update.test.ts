import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TrialRecord } from '../records.js';
import { select } from '../select.js';
import { policyUpdates } from './index.js';

const scored = (sourceId: string, index: number, total: number, canariesLost: number | null = null): TrialRecord => ({
  trialId: `${sourceId}.e${index}`,
  sourceId,
  index,
  outcome: 'scored',
  rewards: [{ gain: total, penalty: 0, total }],
  editDigest: null,
  canariesLost,
});
const selectionOf = (records: TrialRecord[]) => select(records, { rule: 'gain', minimum: 0, maxCanariesLost: 0.5 });

describe('rest-em', () => {
  it('teaches the chosen edits alone, with equal weights', () => {
    const selection = selectionOf([scored('x', 0, 0.1), scored('x', 1, 0.3), scored('y', 0, -1), scored('z', 0, 0.2)]);
    expect(policyUpdates['rest-em'](selection)).toEqual([
      { sourceId: 'x', trialId: 'x.e1', weight: 1 },
      { sourceId: 'z', trialId: 'z.e0', weight: 1 },
    ]);
  });
});

describe('advantage-weighted', () => {
  const update = policyUpdates['advantage-weighted'];

  it('weighs an edit by its standardized reward, where that is above 0', () => {
    // mean 0.3, sample deviation 0.258199: (0.6 - 0.3) / 0.258299 = 1.161445, (0.4 - 0.3) / 0.258299 = 0.387148
    const rows = update(selectionOf([0.2, 0.6, 0, 0.4].map((reward, i) => scored('x', i, reward))));
    expect(rows.map(({ trialId }) => trialId)).toEqual(['x.e1', 'x.e3']);
    expect(rows[0]?.weight).toBeCloseTo(1.161445, 6);
    expect(rows[1]?.weight).toBeCloseTo(0.387148, 6);
  });

  it('learns nothing of a source whose candidates are equal, or one', () => {
    expect(update(selectionOf([scored('x', 0, 0.1), scored('x', 1, 0.1), scored('y', 0, 1)]))).toEqual([]);
    expect(update(selectionOf([0.1 + 0.2, 0.3, 0.3].map((reward, i) => scored('x', i, reward))))).toEqual([]);
  });

  it('neither teaches nor compares with an edit that forgets too much', () => {
    const records = [scored('x', 0, 0.9, 0.51), scored('x', 1, 0.2), scored('x', 2, 0)];
    expect(update(selectionOf(records)).map(({ trialId }) => trialId)).toEqual(['x.e1']);
    // mean 0.1, sample deviation 0.141421: 0.1 / 0.141521
    expect(update(selectionOf(records))[0]?.weight).toBeCloseTo(0.706607, 6);
  });

  it('teaches an edit that the rule chooses for no source', () => {
    const selection = selectionOf([scored('x', 0, -0.1), scored('x', 1, -0.3)]);
    expect(selection.chosen).toEqual([]);
    expect(update(selection)).toMatchObject([{ trialId: 'x.e0' }]);
  });

  it('does not depend on what is added to all rewards of a source', () => {
    const rewards = fc.array(fc.integer({ min: -8, max: 8 }), { minLength: 2, maxLength: 8 });
    fc.assert(
      fc.property(rewards, fc.integer({ min: -8, max: 8 }), (totals, added) => {
        const weightsOf = (more: number) =>
          update(selectionOf(totals.map((total, i) => scored('x', i, total + more)))).map(({ weight }) => weight);
        const [plain, shifted] = [weightsOf(0), weightsOf(added)];
        expect(shifted).toHaveLength(plain.length);
        for (const [i, weight] of plain.entries()) expect(shifted[i]).toBeCloseTo(weight, 9);
      }),
    );
  });
});
