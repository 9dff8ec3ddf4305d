import { describe, expect, it } from 'vitest';
import type { RoundConfigInput } from '../../src/contract/index.js';
import { historiesOf, timeoutsOf } from '../support/histories.js';
import { whileAnOutcomeWaits } from '../support/held-trials.js';
import { killAndWait, playRound, untilTrials, type Ending, type Play } from '../support/played-round.js';
import { checkpoints, tinyRound, until } from '../support/tiny-round.js';

// The same round four times, each on its own stack: undisturbed, with the worker killed twice, the second time while it
// writes an outcome, with the runner killed in mid-training, and with Postgres killed twice. All must end with the same
// texts, weights and log-likelihoods.
const roundId = 'demo.chaos.r0001';
const config: RoundConfigInput = {
  ...tinyRound,
  recipe: { preset: 'small', rank: 4, alpha: 8, maxSteps: 150, epochs: 100, batchSize: 1, learningRate: 0.005 },
};

describe('a round survives kill -9', () => {
  const play = (disturb?: Play['disturb']): Promise<Ending> =>
    playRound(roundId, config, disturb === undefined ? {} : { disturb });
  let calm: Ending | null = null;
  const undisturbed = async (): Promise<Ending> => (calm ??= await play());

  it('ends when nothing happens to it', async () => {
    const { trials, keys, resumedFrom } = await undisturbed();
    expect(trials.every(({ outcome }) => outcome === 'scored')).toBe(true);
    expect(new Set(keys).size).toBe(keys.length);
    expect(Math.max(...resumedFrom)).toBe(0);
  });

  it('of the control worker: nothing is proposed or trained twice, and nothing differs', async () => {
    let timeouts: unknown[] = [];
    const disturbed = await play(async (client, stack) => {
      await untilTrials(client, roundId);
      await killAndWait(stack, 'worker');
      await until(async () => (await checkpoints(stack)) > 0, 20);
      await whileAnOutcomeWaits(stack.databaseUrl, () => stack.kill('worker', 'SIGKILL'));
      timeouts = await until(async () => {
        const histories = await historiesOf(client.workflow, roundId);
        const found = histories.flatMap((history) => timeoutsOf(history, 'recordOutcome'));
        return found.length > 0 && found;
      }, 500);
    });
    const { trials, policy, keys } = await undisturbed();
    expect(disturbed).toMatchObject({ trials, policy, keys });
    expect(new Set(timeouts)).toEqual(new Set(['HEARTBEAT']));
  });

  it('of the runner in mid-training: the second attempt resumes, and nothing differs', async () => {
    const disturbed = await play(async (_, stack) => {
      await until(async () => (await checkpoints(stack)) > 0, 20);
      stack.kill('runner', 'SIGKILL');
    });
    const { trials, policy, keys } = await undisturbed();
    expect(disturbed).toMatchObject({ trials, policy, keys });
    expect(Math.max(...disturbed.resumedFrom)).toBeGreaterThan(0);
  });

  it('of Postgres: the worker lives on, and nothing differs', async () => {
    let workers: unknown[] = [];
    const disturbed = await play(async (client, stack) => {
      const worker = () => stack.processes().find(({ name }) => name === 'worker');
      const before = worker();
      await untilTrials(client, roundId);
      await killAndWait(stack, 'postgres');
      await until(async () => (await checkpoints(stack)) > 0, 20);
      await killAndWait(stack, 'postgres');
      workers = [before, worker()];
    });
    const { trials, policy, keys } = await undisturbed();
    expect(disturbed).toMatchObject({ trials, policy, keys });
    expect(workers[1]).toEqual(workers[0]);
  });
});
