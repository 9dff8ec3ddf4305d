import { describe, expect, it } from 'vitest';
import { asking } from '../../tests/support/asked.js';
import { rulesOf } from '../../tests/support/rules.js';
import {
  activityContracts,
  emptyResult,
  gateIdOf,
  roundConfigSchema,
  shardIdOf,
  textDigest,
  trialIdOf,
  workflowTypes,
  type ActivityName,
  type ActivityRequest,
} from '../contract/index.js';
import { releaseGate } from '../governance/gates.js';
import { createLedgerActivities } from './ledger/index.js';
import { askersOf } from './callers.js';
import { createLlmActivities } from './llm/index.js';

const roundId = 'demo.r0001';
const trialId = trialIdOf(shardIdOf(roundId, 'edits', 0), 1);
const gateId = gateIdOf(roundId, 'release');
const config = roundConfigSchema.parse({});
const digest = textDigest('x');
const artifact = { uri: `artifact:sha256/${digest}`, sha256: digest, bytes: 1, mediaType: 'x' };
const training = {
  trainingKey: digest,
  adapter: { layer: artifact, served: artifact, rank: 8 },
  steps: 1,
  tokens: 1,
  finalLoss: 1,
  updateNorm: 1,
  deviceSeconds: 1,
  engine: 'solo' as const,
  resumedFromStep: 0,
};
const decision = {
  approver: 'a',
  decision: 'approve' as const,
  note: null,
  key: 'k',
  atMs: 1,
  counted: true,
  reason: '',
};
const result = {
  gateId,
  digest,
  outcome: 'approved' as const,
  reason: '',
  decisions: [decision],
  uncounted: 0,
  malformed: 0,
};
const model = { model: 'm', digest, parameters: 1, dtype: 'f', device: 'cpu', chat: true, maxLength: 9 };

/** A request of each activity that parses. */
const requests: { [N in keyof typeof askersOf]: ActivityRequest<N> } = {
  resumeCampaign: {
    campaignId: 'demo.monday',
    rounds: 1,
    nextRound: 1,
    round: { tenant: 'demo', model: 'm', policy: roundConfigSchema.parse({}).policy, startStack: [] },
  },
  endWithParent: { workflowId: gateId, parentId: roundId },
  endOrphans: { parentId: roundId, workflowId: gateId },
  checkServer: { roundId },
  claimRound: { roundId, configDigest: digest, config, startedAtMs: 1 },
  prepareRound: { roundId, model },
  planTrials: { roundId, purpose: 'edits' },
  loadShard: { roundId, purpose: 'edits', shard: 0, begins: { startedAtMs: 1 } },
  recordOutcome: { ...emptyResult(trialId, 'cancelled', ''), run: 1 },
  selectEdits: { roundId },
  buildPolicyTraining: { roundId },
  recordPolicy: { roundId, training },
  buildReport: { roundId },
  openGate: releaseGate(roundId, rulesOf(config), { digest, subject: '' }),
  recordDecisions: { gateId, decisions: [decision] },
  closeGate: result,
  checkRelease: { roundId },
  releasePolicy: { roundId, gate: result },
  closeRound: { roundId, run: 1, status: 'completed', reason: '' },
  measureBaseline: { roundId, learner: 'old', part: 0 },
  proposeSelfEdit: { trialId },
  screenSelfEdit: { trialId },
  evaluateAdapter: { trialId, training },
};

/** Dependencies that fail: a caller who is let in meets a TypeError. */
const nothing = {} as never;
const activities = {
  ...createLedgerActivities(nothing),
  ...createLlmActivities({ inference: nothing, ledger: nothing } as never),
} as Record<string, (request: unknown) => Promise<unknown>>;
const names = Object.keys(requests) as (keyof typeof requests)[];
const ask = (name: string, who: Parameters<typeof asking>[0]): Promise<unknown> =>
  asking(who, async () => activities[name]?.(requests[name as keyof typeof requests])).catch((error: unknown) => error);

describe('an activity', () => {
  it('is one of these, or of the runner', () => {
    const onGpu: ActivityName[] = ['describeModel', 'trainAdapter'];
    expect([...names, ...onGpu].sort()).toEqual(Object.keys(activityContracts).sort());
    for (const name of names)
      expect(activityContracts[name].request.safeParse(requests[name]).success, name).toBe(true);
  });

  it.each(names)('%s is refused by itself', async (name) => {
    const error = await ask(name, null);
    expect(error).toMatchObject({ type: 'InvalidRequest', nonRetryable: true });
    expect(String(error)).toContain('never started by itself');
  });

  const foreign = [
    { workflowType: 'foreign', workflowId: roundId },
    { workflowType: 'foreign', workflowId: trialId },
    { workflowType: 'foreign', workflowId: gateId },
    ...Object.values(workflowTypes).map((workflowType) => ({ workflowType, workflowId: 'another' })),
    { workflowType: workflowTypes.round, workflowId: 'demo.r0002' },
    { workflowType: workflowTypes.round, workflowId: '' },
    { workflowType: workflowTypes.gate, workflowId: roundId },
    { workflowType: workflowTypes.trial, workflowId: roundId },
  ];
  it.each(names)('%s is refused to workflows that it is not about', async (name) => {
    for (const who of foreign) {
      const error = await ask(name, who);
      expect(error, `${who.workflowType} ${who.workflowId}`).toMatchObject({ type: 'InvalidRequest' });
      expect(String(error)).toContain(`and not by ${who.workflowType} "${who.workflowId}"`);
    }
  });

  it.each(names)('%s is let in for the workflows that may ask', async (name) => {
    const allowed = (askersOf[name] as (request: unknown) => (typeof foreign)[number][])(requests[name]);
    expect(allowed.length).toBeGreaterThan(0);
    for (const who of allowed) expect(String(await ask(name, who))).not.toContain('asked for by');
  });
});
