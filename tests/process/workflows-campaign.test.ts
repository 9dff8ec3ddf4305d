import { expect, it } from 'vitest';
import { queryNames, signalNames, workflowTypes, type CampaignStatus } from '../../src/contract/index.js';
import { adapterOf, trainingKeyOf } from '../support/fake-ledger.js';
import { decisionOn, fresh, openGateOf, resultOf, statusOf } from '../support/play.js';
import { describeWithTemporal, quickRound, until, useRig } from '../support/rig.js';
import { failing } from '../support/scripted-activities.js';

const shortRound = {
  ...quickRound,
  sources: { train: 1, heldOut: 0 },
  controls: { rawPassage: false, freshSeeds: false },
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
    expect(configs.map((c) => c.earlierRounds)).toEqual([
      [],
      ['demo.three.r0001'],
      ['demo.three.r0001', 'demo.three.r0002'],
    ]);
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
