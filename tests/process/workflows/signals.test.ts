import { expect, it } from 'vitest';
import type { WorkflowHandle } from '@temporalio/client';
import { bounds, orderNames, shardIdOf, signalNames, trialIdOf, workflowTypes } from '../../../src/contract/index.js';
import { trainingKeyOf } from '../../support/fake-ledger.js';
import { endlessTraining, fresh, resultOf, statusOf } from '../../support/play.js';
import { describeWithTemporal, quickRound, until, useRig } from '../../support/rig.js';
import { failing } from '../../support/scripted-activities.js';

/** Eight edits, two in flight, no gate to wait for. */
const longRound = {
  ...quickRound,
  sources: { train: 4, heldOut: 0 },
  controls: { rawPassage: false, merged: false, rules: false, freshSeeds: false },
  window: 2,
  gate: { deadlineSeconds: 1 },
};
const editsOf = (roundId: string): string[] =>
  Array.from({ length: 8 }, (_, i) => trialIdOf(shardIdOf(roundId, 'edits', 0), i));

describeWithTemporal('control of a round', () => {
  const rig = useRig();
  const isRunning = async (workflow: WorkflowHandle): Promise<boolean> =>
    (await workflow.describe()).status.name === 'RUNNING';

  it('stop: finishes what is in flight, skips the rest, then selects', async () => {
    const { ledger, scripted } = fresh();
    const letThrough = scripted.hold('proposeSelfEdit');
    await rig.serving(scripted, async () => {
      const round = await rig.start(workflowTypes.round, 'stopped', longRound);
      await until(() => Promise.resolve(scripted.requests('proposeSelfEdit').length === 2));
      await round.signal(signalNames.stop);
      await until(async () => (await statusOf(round)).stopping);
      letThrough();
      expect(await resultOf(round)).toMatchObject({ selected: 1 });
    });
    const outcomes = editsOf('stopped').map((id) => ledger.outcomes.get(id)?.outcome);
    expect(outcomes).toEqual(['scored', 'scored', ...Array<string>(6).fill('skipped')]);
    expect(scripted.requests('planTrials')).toHaveLength(1);
  });

  it('stop before the first trial: every trial is recorded as skipped', async () => {
    const { ledger, scripted } = fresh();
    await rig.serving(scripted, async () => {
      const round = await rig.startWithSignal(workflowTypes.round, 'stopped-early', longRound, signalNames.stop);
      expect(await resultOf(round)).toMatchObject({ selected: 0, policy: null });
    });
    expect(new Set(Object.values(ledger.outcomesOf('stopped-early', 'edits')))).toEqual(new Set(['skipped']));
    expect(scripted.requests('proposeSelfEdit')).toEqual([]);
  });

  it('pause: starts no trial until resume', async () => {
    const { ledger, scripted } = fresh();
    const letThrough = scripted.hold('proposeSelfEdit');
    await rig.serving(scripted, async () => {
      const round = await rig.start(workflowTypes.round, 'paused', longRound);
      await until(() => Promise.resolve(scripted.requests('proposeSelfEdit').length === 2));
      await round.signal(signalNames.pause);
      await until(async () => (await statusOf(round)).paused);
      letThrough();
      await until(async () => (await statusOf(round)).trials.done === 2);
      await new Promise((resolve) => setTimeout(resolve, 500));
      expect(scripted.requests('proposeSelfEdit')).toHaveLength(2);
      await round.signal(signalNames.resume);
      await resultOf(round);
    });
    expect(new Set(Object.values(ledger.outcomesOf('paused', 'edits')))).toEqual(new Set(['scored']));
  });

  it('cancel in mid-training: the trainers let go, no child runs on, the ledger knows', async () => {
    const { ledger, scripted } = fresh();
    scripted.always('trainAdapter', endlessTraining);
    const id = 'cancelled';
    await rig.serving(scripted, async () => {
      const round = await rig.start(workflowTypes.round, id, longRound);
      await until(() => Promise.resolve(scripted.requests('trainAdapter').length === 2));
      await round.cancel();
      await expect(resultOf(round)).rejects.toThrow(/cancelled/);

      const children = (await rig.histories()).map(({ workflowId }) => workflowId);
      expect(children).toHaveLength(4);
      for (const child of children) expect(await isRunning(rig.client.getHandle(child)), child).toBe(false);
    });
    const [first, second, third] = editsOf(id).map((trialId) => ledger.outcomes.get(trialId)?.outcome);
    expect([first, second, third]).toEqual(['cancelled', 'cancelled', undefined]);
    expect(ledger.rounds.get(id)?.status).toBe('cancelled');
    expect(scripted.requests('selectEdits')).toEqual([]);
  });

  it('a measurement that fails for good is said and ends nothing', async () => {
    const { ledger, scripted } = fresh();
    scripted.always('measureBaseline', ({ part }) =>
      part === 1 ? failing('CorruptArtifact')() : { asked: 6, cached: 0 },
    );
    scripted.always('prepareRound', async (request) => ({
      ...(await ledger.answers.prepareRound(request)),
      trainSources: bounds.sourcesPerBaseline + 1,
    }));
    await rig.serving(scripted, async () => {
      const round = await rig.start(workflowTypes.round, 'unmeasured', longRound);
      expect(await resultOf(round)).toMatchObject({ trials: { scored: 8 }, gate: 'hold' });
      const { warnings } = await statusOf(round);
      expect(warnings).toHaveLength(2);
      expect(warnings[0]).toMatch(/1 of 2 parts of the baseline of the policy .* CorruptArtifact: scripted/);
    });
  });

  it('trials that cannot be planned beside the policy: its training is let go before the round closes', async () => {
    const { ledger, scripted } = fresh();
    const id = 'beside-policy';
    const events: string[] = [];
    let policyKey: string | undefined;
    scripted.always('buildPolicyTraining', async (request) => {
      const built = await ledger.answers.buildPolicyTraining(request);
      policyKey = built.training?.trainingKey;
      return built;
    });
    scripted.always('trainAdapter', async (request) => {
      if (request.trainingKey !== policyKey) return ledger.answers.trainAdapter(request);
      events.push('training');
      try {
        return await endlessTraining(request);
      } finally {
        events.push('let go');
      }
    });
    scripted.always('planTrials', async (request) => {
      if (request.purpose !== 'confirm') return ledger.answers.planTrials(request);
      await until(() => Promise.resolve(events.includes('training')));
      return failing('CorruptArtifact')();
    });
    scripted.always('closeRound', (request) => {
      events.push('closed');
      return ledger.answers.closeRound(request);
    });
    await rig.serving(scripted, async () => {
      const config = { ...longRound, controls: { rawPassage: false, merged: false, rules: false, freshSeeds: true } };
      await expect(resultOf(await rig.start(workflowTypes.round, id, config))).rejects.toMatchObject({
        cause: { type: 'CorruptArtifact' },
      });
    });
    expect(events).toEqual(['training', 'let go', 'closed']);
    expect(ledger.rounds.get(id)?.status).toBe('failed');
  });

  it('a terminated and a cancelled trial are recorded by the shard, and the round goes on', async () => {
    const { ledger, scripted } = fresh();
    const [killed, dropped] = editsOf('children').slice(0, 2);
    const slow = new Set(
      [killed, dropped]
        .map((id) => ledger.answers.proposeSelfEdit({ trialId: id ?? '' }))
        .map((p) => ('training' in p ? p.training.trainingKey : '')),
    );
    scripted.always('trainAdapter', (request) =>
      slow.has(request.trainingKey) ? endlessTraining(request) : ledger.answers.trainAdapter(request),
    );
    await rig.serving(scripted, async () => {
      const round = await rig.start(workflowTypes.round, 'children', longRound);
      await until(() => Promise.resolve(scripted.requests('trainAdapter').length === 2));
      await rig.client.getHandle(killed ?? '').terminate('by an operator');
      await rig.client.getHandle(dropped ?? '').cancel();
      expect(await resultOf(round)).toMatchObject({ gate: 'hold' });
    });
    expect(ledger.outcomes.get(killed ?? '')).toMatchObject({
      outcome: 'infra_failure',
      reason: expect.stringMatching(/Terminated/) as string,
    });
    expect(ledger.outcomes.get(dropped ?? '')).toMatchObject({ outcome: 'cancelled' });
  });

  it('a terminated shard: the round speaks for its trials', async () => {
    const { ledger, scripted } = fresh();
    scripted.always('trainAdapter', endlessTraining);
    await rig.serving(scripted, async () => {
      const round = await rig.start(workflowTypes.round, 'shardless', longRound);
      await until(() => Promise.resolve(scripted.requests('trainAdapter').length === 2));
      await rig.client.getHandle(shardIdOf('shardless', 'edits', 0)).terminate('by an operator');
      await expect(resultOf(round)).rejects.toMatchObject({ cause: { type: 'TooManyFailedTrials' } });
    });
    expect(Object.values(ledger.outcomesOf('shardless', 'edits')).filter((o) => o === 'none')).toEqual([]);
    expect(ledger.rounds.get('shardless')?.status).toBe('failed');
  });

  it('a runner that refuses everything ends the round before most of its trials began', async () => {
    const { ledger, scripted } = fresh();
    ledger.trialsPerShard = 50;
    scripted.always('trainAdapter', failing('ModelNotFound'));
    const many = { ...longRound, sources: { train: 40, heldOut: 0 }, editsPerSource: 5, window: 4 };
    await rig.serving(scripted, async () => {
      const error: unknown = await resultOf(await rig.start(workflowTypes.round, 'refused', many)).catch(
        (e: unknown) => e,
      );
      expect(error).toMatchObject({ cause: { type: 'TooManyFailedTrials' } });
      for (const { workflowId } of await rig.histories()) {
        expect(await isRunning(rig.client.getHandle(workflowId)), workflowId).toBe(false);
      }
    });
    expect(scripted.requests('trainAdapter').length).toBeLessThan(110);
    const outcomes = Object.values(ledger.outcomesOf('refused', 'edits'));
    expect(outcomes.filter((outcome) => outcome === 'infra_failure').length).toBeGreaterThanOrEqual(20);
    expect(outcomes.filter((outcome) => outcome === 'none').length).toBeGreaterThan(80);
    expect(ledger.rounds.get('refused')?.status).toBe('failed');
  });

  it('a round that runs again begins only the trials that are still to run', async () => {
    const { ledger, scripted } = fresh();
    const id = 'again';
    const trained = editsOf(id).map((trialId) => trainingKeyOf(trialId));
    scripted.always('trainAdapter', (request) =>
      trained.slice(0, 3).includes(request.trainingKey)
        ? ledger.answers.trainAdapter(request)
        : endlessTraining(request),
    );
    await rig.serving(scripted, async () => {
      const first = await rig.start(workflowTypes.round, id, longRound);
      await until(() => Promise.resolve(ledger.outcomes.size === 3 && scripted.requests('trainAdapter').length === 5));
      await first.cancel();
      await expect(resultOf(first)).rejects.toThrow(/cancelled/);
    });
    const begun = () =>
      scripted.requests('proposeSelfEdit').filter(({ trialId }) => editsOf(id).includes(trialId)).length;
    const before = begun();
    scripted.always('trainAdapter', ledger.answers.trainAdapter);
    await rig.serving(scripted, async () => {
      const second = await rig.start(workflowTypes.round, id, longRound);
      expect(await resultOf(second)).toMatchObject({ trials: { scored: 8 } });
    });
    expect(begun() - before).toBe(5);
  });

  it('the latest wish counts, in whatever order wishes come', async () => {
    const { scripted } = fresh();
    const letThrough = scripted.hold('proposeSelfEdit');
    await rig.serving(scripted, async () => {
      const round = await rig.start(workflowTypes.round, 'overtaken', longRound);
      await until(() => Promise.resolve(scripted.requests('proposeSelfEdit').length === 2));
      const shard = rig.client.getHandle(shardIdOf('overtaken', 'edits', 0));
      // the round was paused and resumed, and the shard hears it the other way round
      await shard.signal(orderNames.steer, { order: 8, paused: false, stopping: false });
      await shard.signal(orderNames.steer, { order: 7, paused: true, stopping: false });
      await shard.signal(orderNames.steer, { order: 'many' });
      letThrough();
      expect(await resultOf(round)).toMatchObject({ trials: { scored: 8 } });
    });
  });

  it('too many failures of the infrastructure end the round; bad edits do not', async () => {
    const { ledger, scripted } = fresh();
    const spec = editsOf('failing').slice(0, 3);
    scripted.always('proposeSelfEdit', (request) =>
      spec.includes(request.trialId) ? failing('CorruptArtifact')() : ledger.answers.proposeSelfEdit(request),
    );
    await rig.serving(scripted, async () => {
      const error: unknown = await resultOf(await rig.start(workflowTypes.round, 'failing', longRound)).catch(
        (e: unknown) => e,
      );
      expect(error).toMatchObject({ cause: { type: 'TooManyFailedTrials' } });
      expect((error as { cause: Error }).cause.message).toMatch(/38 % .* \(3\); maxFailedFraction allows 25 %/);
    });
    scripted.always('proposeSelfEdit', () => ({ status: 'invalid', editDigest: null, reason: 'no lines' }));
    await rig.serving(scripted, async () => {
      expect(await resultOf(await rig.start(workflowTypes.round, 'bad-edits', longRound))).toMatchObject({
        selected: 0,
      });
    });
  });
});
