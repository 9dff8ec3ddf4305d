import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  gateIdOf,
  queryNames,
  reportNames,
  roundIdOf,
  shardIdOf,
  signalNames,
  textDigest,
  trialIdOf,
  workflowTypes,
  type GateView,
} from '../../../src/contract/index.js';
import { hostileLike, hostileValue } from '../../support/hostile.js';
import { decisionOn, fresh, openGateOf, resultOf, statusOf } from '../../support/play.js';
import { describeWithTemporal, quickRound, until, useRig } from '../../support/rig.js';

const digest = textDigest('x');
const seed = 20_261;
/** Messages of each signal to each workflow, in each of the two stages. */
const each = 30;

/** What each signal takes when it is well-formed. */
const samples = {
  [signalNames.approve]: { gateId: 'g', digest, approver: 'mallory', decision: 'approve', note: 'n', key: 'k' },
  [signalNames.reject]: { gateId: 'g', digest, approver: 'mallory', decision: 'reject', note: 'n', key: 'k' },
  [signalNames.pause]: { for: 3 },
  [signalNames.resume]: {},
  [reportNames.shardProgress]: {
    purpose: 'edits',
    shard: 0,
    soFar: { outcomes: { infra_failure: 9, scored: 1 }, deviceSeconds: 1, bestReward: 0.5 },
  },
  [reportNames.liveChanged]: { gateId: 'g' },
  gateChanged: {
    spec: { gateId: 'g', digest, subject: '99 %' },
    state: 'approved',
    dueAtMs: 1,
    decisions: [],
    malformed: [],
  },
  unheardOf: {},
};

describeWithTemporal('hostile messages', () => {
  const rig = useRig();
  let sent = 0;

  /** Many signals of every kind, some updates and queries; what the sender is told does not matter. */
  const bombard = async (workflowId: string, gateId = 'g', digestOf = digest): Promise<void> => {
    const handle = rig.client.getHandle(workflowId);
    for (const [signal, sample] of Object.entries(samples)) {
      const own = 'digest' in sample ? { ...sample, gateId, digest: digestOf } : sample;
      const messages = fc.sample(fc.oneof(hostileLike(own), hostileValue), { numRuns: each, seed: (seed + sent) | 0 });
      await Promise.all(messages.map((message) => handle.signal(signal, message).catch(() => undefined)));
      sent += messages.length;
    }
    for (const message of fc.sample(hostileValue, { numRuns: 5, seed })) {
      await handle.executeUpdate('approve', { args: [message] }).catch(() => undefined);
      await handle.query(queryNames.status, message).catch(() => undefined);
      await handle.query('unheardOf', message).catch(() => undefined);
      sent += 3;
    }
    await handle.signal(signalNames.resume);
  };

  it('of every kind, to every workflow, fail no workflow task, decide nothing and show nothing false', async () => {
    const { ledger, scripted } = fresh();
    const release = scripted.hold('trainAdapter');
    const round = {
      ...quickRound,
      sources: { train: 1, heldOut: 0 },
      controls: { rawPassage: false, merged: false, rules: false, freshSeeds: false, otherSource: false },
      gate: { deadlineSeconds: 300, approvers: ['ann'] },
      profiles: { ...quickRound.profiles, heartbeatSeconds: 300 },
    };
    await rig.serving(scripted, async () => {
      const campaign = await rig.start(workflowTypes.campaign, 'hostile', { rounds: 1, round });
      const roundId = roundIdOf('hostile', 1);
      const shardId = shardIdOf(roundId, 'edits', 0);
      const handle = rig.client.getHandle(roundId);
      await until(() => Promise.resolve(scripted.requests('trainAdapter').length > 0));
      for (const workflowId of ['hostile', roundId, shardId, trialIdOf(shardId, 0)]) await bombard(workflowId);
      expect((await statusOf(handle)).trials).toMatchObject({ planned: 2 });
      expect((await statusOf(handle)).trials.done).toBeLessThanOrEqual(2);

      release();
      const gate = await openGateOf(handle, ledger);
      const gateId = gateIdOf(roundId, 'release');
      for (const workflowId of ['hostile', roundId, gateId]) await bombard(workflowId, gateId, gate.spec.digest);
      const [shown] = await handle.query<GateView[]>(queryNames.gates);
      expect(shown).toEqual(gate);
      const [own] = await rig.client.getHandle(gateId).query<GateView[]>(queryNames.gates);
      expect(own).toMatchObject({ state: 'open', approvals: 0, spec: gate.spec, blocked: null });

      await handle.signal(signalNames.approve, decisionOn(gate));
      expect(await resultOf(campaign)).toMatchObject({ rounds: [roundId] });
      expect(await resultOf(handle)).toMatchObject({ gate: 'approved', released: true, trials: { scored: 2 } });
      expect(ledger.instances.resultsOf(gateId)).toMatchObject([{ reason: 'approved by ann' }]);
      console.info(`${sent} hostile messages`);
    });
  });

  it.each([
    ['a broken model', { model: 'a\ud800' }],
    ['a broken key', { 'a\udc00': 1 }],
    ['an endless time', { profiles: { train: { startToCloseSeconds: 1e300 } } }],
    ['an endless wait', { profiles: { retryInitialSeconds: 1e300 } }],
    ['a queue that no server has', { gpuQueue: '/_sys/x' }],
    ['a hundred thousand elements', { templates: Array.from({ length: 100_000 }, () => 0) }],
    ['a long corpus', { corpus: 'c'.repeat(1_500_000) }],
    ['a long key', { ['k'.repeat(1_500_000)]: 1 }],
    ['a deep value', { recipe: JSON.parse(`${'['.repeat(3000)}${']'.repeat(3000)}`) as unknown }],
    ['a sentinel', { __undecodable: true, reason: { toString: null } }],
    ['a prototype', JSON.parse('{"__proto__":{"tenant":1},"constructor":{}}') as unknown],
    ['a gate for nobody', { gate: { needed: 2, approvers: ['ann', 'Ann'] } }],
  ])('as a config fail the run in words: %s', async (what, config) => {
    const { scripted } = fresh();
    const id = what.replaceAll(' ', '-');
    await rig.serving(scripted, async () => {
      for (const [type, input] of [
        [workflowTypes.round, config],
        [workflowTypes.campaign, { round: config }],
      ] as const) {
        const error: unknown = await resultOf(await rig.start(type, `${id}.${type}`, input)).catch((e: unknown) => e);
        expect(error).toMatchObject({ cause: { type: 'InvalidConfig' } });
        expect((error as { cause: Error }).cause.message.length).toBeLessThan(20_000);
      }
    });
  });

  it.each([
    ['too long for its children', 'r'.repeat(990)],
    ['with a line break', 'a\nb'],
    ['with an escape sequence', 'a\u001b[31m'],
    ['with what nobody sees', 'a\u200bb'],
    ["of another round's gate", 'x.gate-release'],
  ])('as an id fail the run in words: %s', async (_what, id) => {
    const { scripted } = fresh();
    await rig.serving(scripted, async () => {
      for (const type of [workflowTypes.round, workflowTypes.campaign]) {
        const error: unknown = await resultOf(await rig.start(type, id)).catch((e: unknown) => e);
        expect(error).toMatchObject({ cause: { type: 'InvalidConfig' } });
      }
    });
  });

  it.each([workflowTypes.gate, workflowTypes.shard, workflowTypes.trial])(
    'as an input of %s, started by hand, fail the run in words',
    async (type) => {
      const { scripted } = fresh();
      const inputs = fc.sample(hostileValue, { numRuns: 25, seed });
      await rig.serving(scripted, async () => {
        for (const [i, input] of inputs.entries()) {
          const error: unknown = await resultOf(await rig.start(type, `by-hand-${type}-${i}`, input)).catch(
            (e: unknown) => e,
          );
          expect(error).toMatchObject({ cause: { type: 'InvalidRequest' } });
        }
      });
    },
  );
});
