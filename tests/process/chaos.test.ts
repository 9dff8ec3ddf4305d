import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Client } from '@temporalio/client';
import { queryNames, roundStatusSchema, type RoundConfigInput } from '../../src/contract/index.js';
import { layoutOf, type Stack } from '../../src/stack/index.js';
import {
  approvedResult,
  fingerprint,
  publishedTrainings,
  startRound,
  startTinyStack,
  tinyRound,
  until,
  type TinyStack,
} from '../support/tiny-round.js';

// The same round three times, each on a stack of its own: undisturbed, with the worker killed in mid-round, and with the
// runner killed in mid-training. All three must end with the same texts, weights and log-likelihoods.
const roundId = 'demo.chaos.r0001';
const config: RoundConfigInput = {
  ...tinyRound,
  recipe: { preset: 'small', rank: 4, alpha: 8, maxSteps: 150, epochs: 100, batchSize: 1, learningRate: 0.005 },
};

interface Ending {
  trials: Awaited<ReturnType<typeof fingerprint>>;
  policy: string | undefined;
  keys: string[];
  resumedFrom: number[];
}

describe('a round survives kill -9', () => {
  let tiny: TinyStack | null = null;
  afterEach(async () => {
    await tiny?.stop();
    tiny = null;
  });

  const runRound = async (disturb: (client: Client, stack: Stack) => Promise<void>): Promise<Ending> => {
    tiny = await startTinyStack();
    const { client, stack, ledger } = tiny;
    await startRound(client, roundId, config);
    await disturb(client, stack);
    const result = await approvedResult(client, roundId);
    const published = await publishedTrainings(stack);
    return {
      trials: await fingerprint(ledger, roundId),
      policy: result.policy?.adapter.layer.sha256,
      keys: published.map(({ trainingKey }) => trainingKey).sort(),
      resumedFrom: published.map(({ resumedFromStep }) => resumedFromStep),
    };
  };

  let calm: Ending | null = null;
  const undisturbed = async (): Promise<Ending> => (calm ??= await runRound(() => Promise.resolve()));

  it('ends when nothing happens to it', async () => {
    const { trials, keys, resumedFrom } = await undisturbed();
    expect(trials.every(({ outcome }) => outcome === 'scored')).toBe(true);
    expect(new Set(keys).size).toBe(keys.length);
    expect(Math.max(...resumedFrom)).toBe(0);
  });

  it('of the control worker: nothing is proposed or trained twice, and nothing differs', async () => {
    const disturbed = await runRound(async (client, stack) => {
      await until(async () => {
        const status = roundStatusSchema.parse(await client.workflow.getHandle(roundId).query(queryNames.status));
        return status.phase === 'trials' && status.trials.planned > 0;
      });
      stack.kill('worker', 'SIGKILL');
    });
    const { trials, policy, keys } = await undisturbed();
    expect(disturbed).toMatchObject({ trials, policy, keys });
  });

  it('of the runner in mid-training: the second attempt resumes, and nothing differs', async () => {
    const disturbed = await runRound(async (_, stack) => {
      await until(async () => (await checkpoints(stack)) > 0, 20);
      stack.kill('runner', 'SIGKILL');
    });
    const { trials, policy, keys } = await undisturbed();
    expect(disturbed).toMatchObject({ trials, policy, keys });
    expect(Math.max(...disturbed.resumedFrom)).toBeGreaterThan(0);
  });
});

/** How many trainings under way have a checkpoint. */
async function checkpoints({ store }: Stack): Promise<number> {
  const { work } = layoutOf(join(store, '..'));
  const entries = await readdir(join(work, 'runner', 'trainings'), { recursive: true });
  return entries.filter((name) => name.includes('checkpoint') && !name.includes('tmp')).length;
}
