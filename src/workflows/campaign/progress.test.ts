import { expect, it } from 'vitest';
import { campaignConfigSchema, textDigest, type AdapterRef, type CampaignConfigInput } from '../../contract/index.js';
import { afterFailure, nextRoundConfig } from './progress.js';

const artifact = (name: string) => ({
  uri: `artifact:sha256/${textDigest(name)}`,
  sha256: textDigest(name),
  bytes: 1,
  mediaType: 'x',
});
const layer = (name: string): AdapterRef => ({ layer: artifact(name), served: artifact(name), rank: 8 });
const campaign = (input: CampaignConfigInput) => campaignConfigSchema.parse(input);

it('starts a round from where the ledger says, and names the campaign instead of its rounds', () => {
  const config = campaign({ round: { startStack: [layer('start')], earlierRounds: ['other'] } });
  const stand = { nextRound: 7, startStack: [layer('live')], completed: [6, 5] };
  expect(nextRoundConfig(config, 'demo.three', stand)).toEqual({
    ...config.round,
    startStack: [layer('live')],
    earlierRounds: ['other'],
    campaign: 'demo.three',
  });
});

it('waits longer before each new run of a round, up to an hour, and gives up after five', () => {
  const retry = campaign({ onRoundFailure: 'retry' });
  const decided = (retries: number) => afterFailure(retry, { retries, final: false });
  const waits = [0, 1, 2, 3, 4].map(decided).map((after) => after.does === 'retry' && after.waitSeconds);
  expect(waits).toEqual([60, 120, 240, 480, 960]);
  expect(decided(5)).toEqual({ does: 'stop', why: ' (run again 5 times)' });
  const slow = campaign({ onRoundFailure: 'retry', round: { profiles: { retryInitialSeconds: 100 } } });
  expect(afterFailure(slow, { retries: 2, final: false })).toEqual({ does: 'retry', waitSeconds: 3600 });
  expect(afterFailure(retry, { retries: 0, final: true })).toMatchObject({ does: 'stop' });
});

it('skips failed rounds, but not five in a row', () => {
  const after = (failedInRow: number) =>
    afterFailure(campaign({ onRoundFailure: 'skip', progress: { failedInRow } }), { retries: 0, final: false });
  expect([0, 1, 2, 3].map(after).map(({ does }) => does)).toEqual(['skip', 'skip', 'skip', 'skip']);
  expect(after(4)).toEqual({ does: 'stop', why: ' (the 5th round in a row to fail)' });
});
