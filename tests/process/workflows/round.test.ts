import { expect, it } from 'vitest';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import {
  canonicalDigest,
  roundConfigSchema,
  roundResultSchema,
  roundStatusSchema,
  signalNames,
  workflowTypes,
} from '../../../src/contract/index.js';
import { trainingKeyOf } from '../../support/fake-ledger.js';
import { decisionOn, fresh, openGateOf, resultOf, statusOf } from '../../support/play.js';
import { describeWithTemporal, quickRound, until, useRig } from '../../support/rig.js';
import { failing } from '../../support/scripted-activities.js';

const failureOf = async (round: WorkflowHandle): Promise<ApplicationFailure> => {
  const error = await round.result().then(
    () => undefined,
    (e: unknown) => e,
  );
  const cause = (error as { cause?: unknown } | undefined)?.cause;
  expect(cause).toBeInstanceOf(ApplicationFailure);
  return cause as ApplicationFailure;
};

describeWithTemporal('a round', () => {
  const rig = useRig();

  it('goes from its sources to a release', async () => {
    const { ledger, scripted } = fresh();
    const id = 'demo.happy.r0007';
    await rig.serving(scripted, async () => {
      const round = await rig.start(workflowTypes.round, id, quickRound);
      const gate = await openGateOf(round, ledger);
      expect(roundStatusSchema.parse(await statusOf(round))).toMatchObject({
        stage: 'gate',
        selected: 2,
        bestReward: 0.2,
      });
      await round.signal(signalNames.approve, decisionOn(gate));

      expect(roundResultSchema.parse(await round.result())).toMatchObject({
        roundId: id,
        selected: 2,
        gate: 'approved',
        released: true,
        policy: { pairs: 2 },
      });
      expect(await statusOf(round)).toMatchObject({ stage: 'done', rejectedMessages: [] });
    });

    const config = roundConfigSchema.parse(quickRound);
    expect(scripted.requests('claimRound')).toEqual([
      {
        roundId: id,
        config,
        configDigest: canonicalDigest(config),
        startedAtMs: expect.any(Number) as number,
      },
    ]);
    const purposes = scripted.requests('planTrials').map((r) => r.purpose);
    expect(purposes.slice(0, 2)).toEqual(['edits', 'confirm']);
    // the passages run in parallel with the examination
    expect(purposes.slice(2).filter((purpose) => purpose !== 'controls')).toEqual(['examine', 'cross']);
    expect(purposes).toHaveLength(5);
    expect(scripted.requests('measureBaseline').map((r) => r.learner)).toEqual(['old', 'new']);
    // a passage is not screened
    expect(scripted.requests('screenSelfEdit')).toHaveLength(scripted.requests('proposeSelfEdit').length - 2);
    expect(Object.values(ledger.outcomesOf(id, 'edits'))).toEqual(Array(4).fill('scored'));
    expect(ledger.rounds.get(id)?.status).toBe('completed');
    expect(ledger.released).toEqual([id]);

    const found = await until(async () => {
      for await (const { workflowId } of rig.client.list({ query: `SealRound = 7 AND SealOutcome = 'released'` }))
        return workflowId;
    });
    expect(found).toBe(id);
  });

  it('runs with nothing for an input', async () => {
    const { ledger, scripted } = fresh();
    scripted.always('proposeSelfEdit', () => ({ status: 'invalid', editDigest: null, reason: 'no lines' }));
    const result = await rig.serving(scripted, async () => resultOf(await rig.start(workflowTypes.round, 'by-hand')));
    expect(result).toMatchObject({ selected: 0, policy: null, gate: null, released: false });
    expect(roundResultSchema.parse(result).releaseReason).toMatch(/no edit was chosen/);
    expect(new Set(Object.values(ledger.outcomesOf('by-hand', 'edits')))).toEqual(new Set(['invalid_edit']));
  });

  it('refuses a wrong config with every problem and the valid keys', async () => {
    const { scripted } = fresh();
    const failure = await rig.serving(scripted, async () =>
      failureOf(
        await rig.start(workflowTypes.round, 'wrong', { tenat: 'x', editsPerSource: 0, caps: { maxSteps: 3 } }),
      ),
    );
    expect(failure.type).toBe('InvalidConfig');
    expect(failure.message).toMatch(/3 problems/);
    expect(failure.message).toMatch(/unknown key "tenat" \(did you mean "tenant"\?\); valid keys: tenant, model/);
    expect(failure.message).toMatch(/editsPerSource: /);
    expect(failure.message).toMatch(/caps: unknown key "maxSteps"; valid keys: maxEditsPerRound/);
    expect(scripted.calls).toEqual([]);
  });

  it('leaves the round of another config alone', async () => {
    const { ledger, scripted } = fresh();
    scripted.always('claimRound', failing('RoundIdTaken', { message: 'taken by another config' }));
    const failure = await rig.serving(scripted, async () =>
      failureOf(await rig.start(workflowTypes.round, 'taken', quickRound)),
    );
    expect(failure).toMatchObject({ type: 'RoundIdTaken', message: 'taken by another config' });
    expect(scripted.requests('closeRound')).toEqual([]);
    expect(ledger.rounds.size).toBe(0);
  });

  it('fails with the words of the activity that could not go on, and closes the round', async () => {
    const { ledger, scripted } = fresh();
    scripted.always('prepareRound', failing('InvalidCorpus', { message: 'notes.json: no questions' }));
    const failure = await rig.serving(scripted, async () =>
      failureOf(await rig.start(workflowTypes.round, 'corrupt', quickRound)),
    );
    expect(failure).toMatchObject({ type: 'InvalidCorpus', message: 'notes.json: no questions' });
    expect(ledger.rounds.get('corrupt')?.status).toBe('failed');
  });

  it('waits for a runner as long as there is none', async () => {
    const { scripted } = fresh();
    const config = { ...quickRound, controls: { rawPassage: false, merged: false, rules: false } };
    scripted.always('proposeSelfEdit', () => ({ status: 'invalid', editDigest: null, reason: '' }));
    const round = await rig.serving(
      scripted,
      async () => {
        const handle = await rig.start(workflowTypes.round, 'no-runner', config);
        await until(async () =>
          (await handle.describe()).raw.pendingActivities?.some((a) => a.activityType?.name === 'describeModel'),
        );
        return handle;
      },
      { gpu: false },
    );
    await rig.serving(scripted, () => resultOf(round));
  });

  it('runs over several shards, and records what is over the cap as skipped', async () => {
    const { ledger, scripted } = fresh();
    ledger.trialsPerShard = 3;
    const config = {
      ...quickRound,
      sources: { train: 5, heldOut: 0 },
      caps: { maxEditsPerRound: 8 },
      gate: { deadlineSeconds: 1 },
    };
    await rig.serving(scripted, async () => {
      const round = await rig.start(workflowTypes.round, 'shards', config);
      expect(await round.result()).toMatchObject({ gate: 'hold', released: false });
      expect((await statusOf(round)).caps.maxEditsPerRound).toBe(8);
    });
    expect(Object.keys(ledger.outcomesOf('shards', 'edits'))).toHaveLength(8);
    expect(scripted.requests('loadShard').filter((r) => r.purpose === 'edits')).toHaveLength(3);
    expect(scripted.requests('planTrials').map((r) => r.purpose)).toEqual(['edits', 'confirm', 'controls']);
  });

  it('goes on without a policy whose training diverged', async () => {
    const { ledger, scripted } = fresh();
    const train = ledger.answers.trainAdapter;
    const policyKey = trainingKeyOf('diverged-policy policy');
    scripted.always('trainAdapter', (r) => (r.trainingKey === policyKey ? failing('Diverged')() : train(r)));
    const result = roundResultSchema.parse(
      await rig.serving(scripted, async () =>
        resultOf(await rig.start(workflowTypes.round, 'diverged-policy', quickRound)),
      ),
    );
    expect(result).toMatchObject({ policy: null, gate: null, released: false });
    expect(result.releaseReason).toMatch(/could not be trained: Diverged/);
  });
});
