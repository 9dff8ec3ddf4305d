import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Client } from '@temporalio/client';
import { z } from 'zod';
import { shardIdOf, trialIdOf, type RoundConfigInput } from '../../src/contract/index.js';
import type { Ledger } from '../../src/ledger/index.js';
import type { SupervisedChild } from '../../src/stack/processes/child.js';
import { layoutOf, type Stack } from '../../src/stack/index.js';
import { playRound, type Ending, type Play } from '../support/played-round.js';
import { firstLogOf, secondLogOf, startSecondRunner } from '../support/second-runner.js';
import { homeOf, publishedTrainings, tinyRound, until } from '../support/tiny-round.js';

// Two gpu-runners on one queue, over one store and one work folder.
const roundId = 'demo.two.r0001';
const config: RoundConfigInput = {
  ...tinyRound,
  window: 4,
  recipe: { preset: 'small', rank: 4, alpha: 8, maxSteps: 150, epochs: 100, batchSize: 1, learningRate: 0.005 },
};
/** One training at a time each, so that neither can take all. */
const slots = 1;

describe('two runners', () => {
  let second: SupervisedChild | null = null;
  const play = (disturb: NonNullable<Play['disturb']>): Promise<Ending> =>
    playRound(roundId, config, {
      disturb,
      runner: { slots },
      cleanUp: async () => {
        await second?.stop();
        second = null;
      },
    });
  let single: Promise<Ending> | null = null;
  const singleRunner = (): Promise<Ending> => (single ??= playRound(roundId, config));

  it('share a round, and its adapters are those of one', async () => {
    const { trials, policy, keys } = await singleRunner();
    const trained: string[][] = [];
    const shared = await play(async (_, stack, ledger) => {
      second = await startSecondRunner(stack, slots);
      await until(async () => (await ledger.policies.get(roundId)) !== null);
      for (const log of [firstLogOf(stack), secondLogOf(stack)]) trained.push(await publishedBy(log));
    });
    expect(trained.map(({ length }) => length > 0)).toEqual([true, true]);
    expect(shared).toMatchObject({ trials, policy, keys });
  });

  it('lose at most one checkpoint interval when one is killed in mid-training', async () => {
    const { trials, policy, keys } = await singleRunner();
    let keptStep = 0;
    let resumedFromStep = -1;
    const disturbed = await play(async (client, stack, ledger) => {
      const runner = await startSecondRunner(stack, slots);
      second = runner;
      const { key } = await until(() => trainingWithCheckpoint(client, ledger, stack, runner.pid), 30);
      runner.kill('SIGKILL');
      await until(() => Promise.resolve(runner.pid === null), 10);
      // checkpoints are written every few steps, so no more than these are lost with what came after this one
      keptStep = await checkpointStep(stack, key);
      ({ resumedFromStep } = await until(async () =>
        (await publishedTrainings(stack)).find(({ trainingKey }) => trainingKey === key),
      ));
    });
    expect(keptStep).toBeGreaterThan(0);
    expect(resumedFromStep).toBe(keptStep);
    expect(disturbed).toMatchObject({ trials, policy, keys });
  });
});

const endedSchema = z.looseObject({
  event: z.literal('training_ended'),
  trainingKey: z.string(),
  outcome: z.literal('published'),
});

/** The keys that a runner's log says it has published. */
async function publishedBy(log: string): Promise<string[]> {
  const lines = (await readFile(log, 'utf8')).split('\n').filter((line) => line.includes('training_ended'));
  return lines.flatMap((line) => {
    const ended = endedSchema.safeParse(JSON.parse(line));
    return ended.success ? [ended.data.trainingKey] : [];
  });
}

/** A training that the runner of this process works on, once it has a checkpoint. */
async function trainingWithCheckpoint(
  client: Client,
  ledger: Ledger,
  stack: Stack,
  pid: number | null,
): Promise<{ key: string } | null> {
  for (let index = 0; index < 4; index += 1) {
    const trialId = trialIdOf(shardIdOf(roundId, 'edits', 0), index);
    const { raw } = await client.workflow.getHandle(trialId).describe();
    const isTheirs = raw.pendingActivities?.some(
      ({ activityType, lastWorkerIdentity }) =>
        activityType?.name === 'trainAdapter' && lastWorkerIdentity?.endsWith(`/${pid}`),
    );
    const key = (await ledger.trials.get(trialId)).training?.trainingKey;
    if (isTheirs && key !== undefined && (await checkpointStep(stack, key).catch(() => 0)) > 0) return { key };
  }
  return null;
}

const headerSchema = z.looseObject({ __metadata__: z.looseObject({ step: z.coerce.number() }) });

/** The step that a training's checkpoint holds: a safetensors file begins with the length of its header. */
async function checkpointStep(stack: Stack, key: string): Promise<number> {
  const { work } = layoutOf(homeOf(stack));
  const file = await readFile(join(work, 'runner', 'trainings', key, 'checkpoint.safetensors'));
  const header: unknown = JSON.parse(file.subarray(8, 8 + Number(file.readBigUInt64LE(0))).toString('utf8'));
  return headerSchema.parse(header).__metadata__.step;
}
