import { expect, it } from 'vitest';
import { queryNames, signalNames, workflowTypes, type CampaignStatus } from '../../../src/contract/index.js';
import { adapterOf, trainingKeyOf } from '../../support/fake-ledger.js';
import { decisionOn, fresh, openGateOf, resultOf, statusOf } from '../../support/play.js';
import { describeWithTemporal, quickRound, until, useRig } from '../../support/rig.js';
import { failing } from '../../support/scripted-activities.js';

const shortRound = {
  ...quickRound,
  sources: { train: 1, heldOut: 0 },
  controls: { rawPassage: false, merged: false, rules: false, freshSeeds: false },
};

describeWithTemporal('a campaign', () => {
  const rig = useRig();

  it('runs its rounds in a row, each from the last released policy, and continues as new between them', async () => {
    const { ledger, scripted } = fresh();
    await rig.serving(scripted, async () => {
      const campaign = await rig.start(workflowTypes.campaign, 'demo.three', { rounds: 3, round: shortRound });
      for (const [number, signal] of [
        [1, signalNames.approve],
        [2, signalNames.reject],
        [3, signalNames.approve],
      ] as const) {
        const round = rig.client.getHandle(`demo.three.r000${number}`);
        const gate = await openGateOf(
          await until(async () => (await round.describe().catch(() => undefined)) && round),
          ledger,
        );
        await round.signal(signal, decisionOn(gate));
      }
      expect(await resultOf(campaign)).toEqual({
        rounds: ['demo.three.r0001', 'demo.three.r0002', 'demo.three.r0003'],
        stopped: false,
      });
    });
    const configs = scripted.requests('claimRound').map(({ config }) => config);
    const released = adapterOf(trainingKeyOf('demo.three.r0001 policy'));
    expect(configs.map((c) => c.startStack)).toEqual([[], [released], [released]]);
    expect(configs.map((c) => [c.campaign, c.earlierRounds])).toEqual(configs.map(() => ['demo.three', []]));
    expect((await rig.histories()).filter(({ workflowId }) => workflowId === 'demo.three')).toHaveLength(3);
  });

  it('fails in words when a round fails', async () => {
    const { scripted } = fresh();
    scripted.always('prepareRound', failing('InvalidCorpus', { message: 'notes.json: no questions' }));
    await rig.serving(scripted, async () => {
      const campaign = await rig.start(workflowTypes.campaign, 'demo.failing', { round: shortRound });
      await expect(resultOf(campaign)).rejects.toMatchObject({
        cause: { type: 'RoundFailed', message: 'demo.failing.r0001: InvalidCorpus: notes.json: no questions' },
      });
    });
  });

  it('runs a failed round again, after a wait that says why, and goes on', async () => {
    const { ledger, scripted } = fresh();
    const answer = ledger.answers.prepareRound;
    scripted.script('prepareRound', failing('ModelNotFound', { message: 'no such model' }), answer, answer);
    await rig.serving(scripted, async () => {
      const campaign = await rig.start(workflowTypes.campaign, 'demo.retried', {
        rounds: 2,
        round: { ...shortRound, gate: { deadlineSeconds: 1 } },
        onRoundFailure: 'retry',
      });
      const { waitingAfter } = await until(async () => {
        const status = await campaign.query<CampaignStatus>(queryNames.status).catch(() => null);
        return status !== null && status.waitingAfter !== null && status;
      });
      expect(waitingAfter).toBe('ModelNotFound: no such model');
      expect(await resultOf(campaign)).toEqual({
        rounds: ['demo.retried.r0001', 'demo.retried.r0002'],
        stopped: false,
      });
    });
  });

  it('goes on with the next round where a failed one is to be skipped, until five fail in a row', async () => {
    const { scripted } = fresh();
    scripted.always('selectEdits', failing('InvalidRequest', { message: 'broken' }));
    await rig.serving(scripted, async () => {
      const campaign = await rig.start(workflowTypes.campaign, 'demo.skipped', {
        rounds: 0,
        round: shortRound,
        onRoundFailure: 'skip',
      });
      await expect(resultOf(campaign)).rejects.toMatchObject({
        cause: {
          type: 'RoundFailed',
          message: expect.stringMatching(/^demo\.skipped\.r0005: .*5th round in a row/) as string,
        },
      });
    });
    expect(scripted.requests('claimRound').map(({ roundId }) => roundId)).toEqual(
      [1, 2, 3, 4, 5].map((n) => `demo.skipped.r000${n}`),
    );
  });

  it('goes on after its completed rounds when it is started again, and asks none of their gates anew', async () => {
    const { ledger, scripted } = fresh();
    const input = { rounds: 2, round: { ...shortRound, gate: { deadlineSeconds: 1 } } };
    await rig.serving(scripted, async () => {
      expect(await resultOf(await rig.start(workflowTypes.campaign, 'demo.again', input))).toMatchObject({
        rounds: ['demo.again.r0001', 'demo.again.r0002'],
      });
      const longer = await rig.start(workflowTypes.campaign, 'demo.again', { ...input, rounds: 3 });
      expect(await resultOf(longer)).toEqual({
        rounds: ['demo.again.r0001', 'demo.again.r0002', 'demo.again.r0003'],
        stopped: false,
      });
      expect(await resultOf(await rig.start(workflowTypes.campaign, 'demo.again', input))).toMatchObject({
        stopped: false,
      });
    });
    expect(scripted.requests('claimRound')).toHaveLength(3);
    expect(ledger.gates.size).toBe(3);
  });

  it('refuses more layers than a stack holds before the first round', async () => {
    const { scripted } = fresh();
    await rig.serving(scripted, async () => {
      for (const rounds of [0, 9]) {
        const campaign = await rig.start(workflowTypes.campaign, `demo.layers-${rounds}`, {
          rounds,
          round: { ...shortRound, policy: { from: 'previous' } },
        });
        await expect(resultOf(campaign)).rejects.toMatchObject({
          cause: { type: 'InvalidConfig', message: expect.stringContaining('run 8 rounds at most') as string },
        });
      }
    });
    expect(scripted.calls).toEqual([]);
  });

  it('refuses a wrong config of its own or of its rounds', async () => {
    const { scripted } = fresh();
    await rig.serving(scripted, async () => {
      const input = { round: { tenant: 'acme', epochs: 3 }, turns: 1 };
      const error: unknown = await resultOf(await rig.start(workflowTypes.campaign, 'wrong', input)).catch(
        (e: unknown) => e,
      );
      expect((error as { cause: Error }).cause.message).toMatch(
        /unknown key "turns"; valid keys: rounds, round, progress/,
      );
      expect((error as { cause: Error }).cause.message).toMatch(/round: unknown key "epochs"; valid keys: tenant/);
    });
  });

  it('pauses with its round, and stops when that has ended', async () => {
    const { ledger, scripted } = fresh();
    const letThrough = scripted.hold('describeModel');
    await rig.serving(scripted, async () => {
      const campaign = await rig.start(workflowTypes.campaign, 'demo.endless', {
        rounds: 0,
        round: { ...shortRound, gate: { deadlineSeconds: 1 } },
      });
      const round = rig.client.getHandle('demo.endless.r0001');
      await until(() => Promise.resolve(scripted.requests('describeModel').length === 1));
      await campaign.signal(signalNames.pause);
      await until(async () => (await statusOf(round)).paused);
      expect(await campaign.query<CampaignStatus>(queryNames.status)).toMatchObject({
        paused: true,
        roundId: 'demo.endless.r0001',
      });
      letThrough();
      await campaign.signal(signalNames.stop);
      expect(await resultOf(campaign)).toEqual({ rounds: ['demo.endless.r0001'], stopped: true });
    });
    expect(ledger.rounds.get('demo.endless.r0001')?.status).toBe('completed');
  });

  it('cancels its round with itself', async () => {
    const { ledger, scripted } = fresh();
    await rig.serving(scripted, async () => {
      const campaign = await rig.start(workflowTypes.campaign, 'demo.cancelled', { round: shortRound });
      await until(() => Promise.resolve(ledger.gates.size === 1));
      await campaign.cancel();
      await expect(resultOf(campaign)).rejects.toThrow(/cancelled/);
      expect((await rig.client.getHandle('demo.cancelled.r0001').describe()).status.name).toBe('CANCELLED');
    });
    expect(ledger.rounds.get('demo.cancelled.r0001')?.status).toBe('cancelled');
    expect(ledger.gates.get('demo.cancelled.r0001.gate-release')).toMatchObject({ outcome: 'hold' });
  });
});

describeWithTemporal('a server without the search attributes', () => {
  const rig = useRig({ searchAttributes: false });

  it('runs a round to its end', async () => {
    const { ledger, scripted } = fresh();
    ledger.registered = [];
    await rig.serving(scripted, async () => {
      const round = await rig.start(workflowTypes.round, 'bare', { ...shortRound, gate: { deadlineSeconds: 1 } });
      expect(await resultOf(round)).toMatchObject({ gate: 'hold' });
    });
  });
});
