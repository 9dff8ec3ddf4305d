import { expect, it } from 'vitest';
import { counted, emptyTally, summed } from './tally.js';
import { emptyResult } from '../../contract/index.js';

const scored = (total: number) => ({
  ...emptyResult('t', 'scored', ''),
  deviceSeconds: 2,
  evaluation: { a: null, b: null, otherSource: null, canaries: null, reward: { gain: total, penalty: 0, total } },
});

it('counts outcomes, adds up seconds and keeps the best reward, which may be negative', () => {
  const one = counted(emptyTally, scored(-0.25));
  expect(one).toEqual({ outcomes: { scored: 1 }, deviceSeconds: 2, bestReward: -0.25 });
  const two = counted(counted(one, scored(-0.5)), emptyResult('u', 'diverged', ''));
  expect(two).toEqual({ outcomes: { scored: 2, diverged: 1 }, deviceSeconds: 4, bestReward: -0.25 });
  expect(summed([two, two]).outcomes).toEqual({ scored: 4, diverged: 2 });
  expect(summed([])).toEqual(emptyTally);
});
