import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { trialResultSchema } from '../../src/contract/index.js';
import { expectWithinBudget, historiesOf, replay } from '../support/histories.js';
import {
  approvedResult,
  fingerprint,
  publishedTrainings,
  startRound,
  startTinyStack,
  tinyRound,
  until,
  type TestStack,
} from '../support/tiny-round.js';
import { payloadConverterPath, workflowBundle } from '../support/workflow-bundle.js';

// One round from documents to a release over real Temporal, Postgres and PyTorch; then the same work disturbed.
describe('a round on the whole stack', () => {
  let tiny: TestStack;
  beforeAll(async () => {
    tiny = await startTinyStack();
  });
  afterAll(() => tiny.stop());

  const roundId = 'demo.e2e.r0001';

  it('ends with a released policy, every trial recorded', async () => {
    const { client, ledger, stack } = tiny;
    await startRound(client, roundId);
    const result = await approvedResult(client, roundId);
    expect(result).toMatchObject({ selected: 2, released: true, gate: 'approved', trials: { scored: 4 } });
    expect(result.policy?.pairs).toBe(2);
    expect(result.heldOut).toMatchObject({ sources: 1 });
    const trials = await fingerprint(ledger, roundId);
    expect(trials.map(({ outcome }) => outcome)).toEqual(trials.map(() => 'scored'));
    const keys = (await publishedTrainings(stack)).map(({ trainingKey }) => trainingKey);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('replays from its histories', async () => {
    const { workflow } = tiny.client;
    const { runId } = await workflow.getHandle(roundId).describe();
    const histories = await historiesOf(workflow, roundId, runId);
    expect(histories.length).toBeGreaterThan(4);
    expectWithinBudget(histories);
    expect(await replay(histories, await workflowBundle(), await payloadConverterPath())).toEqual([]);
  });

  it('refuses the same id with another configuration', async () => {
    const { client } = tiny;
    await startRound(client, roundId, { ...tinyRound, seed: 99 });
    await expect(client.workflow.getHandle(roundId).result()).rejects.toMatchObject({
      cause: { type: 'RoundIdTaken' },
    });
  });

  it('frees the device and leaves no child behind when it is cancelled', async () => {
    const { client } = tiny;
    const cancelled = 'demo.e2e-cancelled.r0001';
    const long = { preset: 'small', rank: 4, alpha: 8, maxSteps: 20_000, epochs: 100, batchSize: 1 } as const;
    await startRound(client, cancelled, { ...tinyRound, seed: 5, recipe: long, caps: { maxStepsPerTrial: 20_000 } });
    await until(async () => {
      const { raw } = await client.workflow.getHandle(`${cancelled}.edits.s00.e0000`).describe();
      return raw.pendingActivities?.some(
        ({ activityType, heartbeatDetails }) => activityType?.name === 'trainAdapter' && heartbeatDetails,
      );
    });
    const startedMs = Date.now();
    await client.workflow.getHandle(cancelled).cancel();
    await expect(client.workflow.getHandle(cancelled).result()).rejects.toMatchObject({ name: 'WorkflowFailedError' });
    expect(Date.now() - startedMs).toBeLessThan(10_000);
    const running = await until(async () => {
      const { count } = await client.workflow.count(
        `WorkflowId STARTS_WITH "${cancelled}" AND ExecutionStatus = "Running"`,
      );
      return count === 0 ? { count } : null;
    });
    expect(running.count).toBe(0);
    const trial = trialResultSchema.parse((await tiny.ledger.trials.get(`${cancelled}.edits.s00.e0000`)).result);
    expect(trial.outcome).toBe('cancelled');
    // also those that it never came to
    const outcomes = (await fingerprint(tiny.ledger, cancelled)).map(({ outcome }) => outcome);
    expect(outcomes).toEqual(Array(4).fill('cancelled'));
  });
});
