import { expect, it } from 'vitest';
import { roundConfigSchema } from '../../contract/index.js';
import { newRunSignals } from '../runtime/run-signals.js';
import { RoundState } from './state.js';

const fresh = (): RoundState => new RoundState('demo.r1', roundConfigSchema.parse({}), newRunSignals());
const soFar = (bestReward: number) => ({ outcomes: { scored: 1 }, deviceSeconds: 2, bestReward });

it('takes the best reward from candidate edits alone', () => {
  const state = fresh();
  state.beginTrials('edits', 1, 0, 4);
  state.heard({ purpose: 'edits', shard: 0, soFar: soFar(0.4) });
  state.endTrials('edits');
  state.beginTrials('controls', 1, 0, 4);
  // the raw passage is asked no canaries, so nothing is subtracted
  state.heard({ purpose: 'controls', shard: 0, soFar: soFar(0.9) });
  expect(state.status).toMatchObject({ bestReward: 0.4, deviceSeconds: 4 });
});

it('says what the report found: canaries, warnings, and what the device really cost', () => {
  const state = fresh();
  state.trainedPolicy(10);
  state.warnings.push('no baseline');
  const canaries = { asked: 12, rightBefore: 11, rightAfter: 8, lost: 3 };
  state.reported({ markdown: '| table |', canaries, warnings: ['examined on nothing'], deviceSeconds: 0.5 });
  expect(state.table).toBe('| table |');
  expect(state.status).toMatchObject({
    canaries,
    warnings: ['no baseline', 'examined on nothing'],
    deviceSeconds: 0.5,
  });
});
