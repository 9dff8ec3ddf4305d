import { expect, it } from 'vitest';
import { campaignConfigSchema, textDigest, type AdapterRef, type RoundResult } from '../contract/index.js';
import { nextRoundConfig, progressAfter } from './campaign-progress.js';

const artifact = (name: string) => ({
  uri: `artifact:sha256/${textDigest(name)}`,
  sha256: textDigest(name),
  bytes: 1,
  mediaType: 'x',
});
const layer = (name: string): AdapterRef => ({ layer: artifact(name), served: artifact(name), rank: 8 });
const ended = (roundId: string, released: boolean): RoundResult => ({
  roundId,
  trials: {},
  selected: 1,
  policy: { adapter: layer(roundId), pairs: 1, trainingKey: textDigest(roundId) },
  gate: released ? 'approved' : 'hold',
  released,
  releaseReason: '',
  heldOut: {
    before: null,
    after: null,
    sources: 0,
    questions: 0,
    cells: { oldOld: null, oldNew: null, newOld: null, newNew: null },
  },
  arms: {
    base: null,
    inContext: null,
    rawPassage: null,
    selfEditMean: null,
    chosenOnB: null,
    otherSourceControl: null,
  },
  canaries: { asked: 0, rightBefore: 0, rightAfter: null, lost: null },
  warnings: [],
  deviceSeconds: 0,
  report: artifact('report'),
});

it.each([
  ['base', [layer('r2')]],
  ['previous', [layer('start'), layer('r2')]],
] as const)('starts from the last released policy, layers by policyFrom %s', (policyFrom, stack) => {
  const first = campaignConfigSchema.parse({ round: { policyFrom, startStack: [layer('start')] } });
  expect(nextRoundConfig(first)).toMatchObject({ startStack: [layer('start')], earlierRounds: [] });

  const second = { ...first, progress: progressAfter(ended('r1', false), first, nextRoundConfig(first)) };
  expect(second.progress).toEqual({ nextRound: 2, stack: [layer('start')], rounds: ['r1'] });

  const third = { ...second, progress: progressAfter(ended('r2', true), second, nextRoundConfig(second)) };
  expect(nextRoundConfig(third)).toMatchObject({ startStack: stack, earlierRounds: ['r1', 'r2'] });
});

it('carries no more rounds than a round may be given', () => {
  const rounds = Array.from({ length: 100 }, (_, i) => `r${i}`);
  const config = campaignConfigSchema.parse({ progress: { nextRound: 101, rounds } });
  const { progress } = { progress: progressAfter(ended('r100', false), config, nextRoundConfig(config)) };
  expect(progress.rounds).toEqual([...rounds.slice(1), 'r100']);
});
