import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { execa } from 'execa';
import { queryNames, roundStatusSchema, type RoundConfigInput } from '../../src/contract/index.js';
import type { Ledger } from '../../src/ledger/index.js';
import type { PartName, RunnerOptions, Stack } from '../../src/stack/index.js';
import { unlessStuck } from './stuck.js';
import { approvedResult, fingerprint, publishedTrainings, startRound, startTinyStack, until } from './tiny-round.js';

/** What a round came to: equal for two runs of it, whatever happened on the way, but for `resumedFrom`. */
export interface Ending {
  trials: Awaited<ReturnType<typeof fingerprint>>;
  policy: string | undefined;
  /** of the trainings published, sorted */
  keys: string[];
  resumedFrom: number[];
}

export interface Play {
  /** what happens to the round on its way; when this ends, the round is approved and its end awaited */
  disturb?: (client: Client, stack: Stack, ledger: Ledger) => Promise<void>;
  /** what happens while its gate is open; then it is approved */
  atGate?: (stack: Stack) => Promise<void>;
  /** after which a round that has not ended counts as stuck */
  withinMs?: number;
  /** replaces what the rig says of the runner */
  runner?: RunnerOptions;
  /** done before the stack is stopped, however the round ended */
  cleanUp?: () => Promise<void>;
}

/** Before the test's own timeout, which could not say why. */
const stuckAfterMs = 240_000;

/** Plays a round on a new stack. */
export async function playRound(roundId: string, config: RoundConfigInput, play: Play = {}): Promise<Ending> {
  const tiny = await startTinyStack(play.runner);
  const { client, stack, ledger } = tiny;
  const round = async (): Promise<Ending> => {
    await startRound(client, roundId, config);
    await play.disturb?.(client, stack, ledger);
    const result = await approvedResult(client, roundId, () => play.atGate?.(stack) ?? Promise.resolve());
    const published = await publishedTrainings(stack);
    return {
      trials: await fingerprint(ledger, roundId),
      policy: result.policy?.adapter.layer.sha256,
      keys: published.map(({ trainingKey }) => trainingKey).sort(),
      resumedFrom: published.map(({ resumedFromStep }) => resumedFromStep),
    };
  };
  try {
    return await unlessStuck(play.withinMs ?? stuckAfterMs, client, stack, round());
  } finally {
    await play.cleanUp?.();
    await tiny.stop();
  }
}

/** Kills a part with SIGKILL and waits until it is there again. */
export async function killAndWait(stack: Stack, name: PartName): Promise<void> {
  const restarts = (): number => stack.processes().find((part) => part.name === name)?.restarts ?? 0;
  const before = restarts();
  stack.kill(name, 'SIGKILL');
  await until(() => Promise.resolve(restarts() > before));
}

/** Stops a part with all of its processes, as a machine does that hangs, and lets it go on after a while. */
export async function stopFor(stack: Stack, name: PartName, seconds: number): Promise<void> {
  const pid = stack.processes().find((part) => part.name === name)?.pid;
  if (pid == null) throw new Error(`${name} does not run`);
  const { stdout } = await execa('ps', ['-o', 'pid=', '--ppid', String(pid)], { reject: false });
  const pids = [pid, ...stdout.split('\n').filter(Boolean).map(Number)];
  for (const one of pids) process.kill(one, 'SIGSTOP');
  await sleep(seconds * 1000);
  for (const one of pids) process.kill(one, 'SIGCONT');
}

/** Waits until the round's trials are under way. */
export const untilTrials = (client: Client, roundId: string): Promise<unknown> =>
  until(async () => {
    const status = roundStatusSchema.parse(await client.workflow.getHandle(roundId).query(queryNames.status));
    return status.stage === 'trials' && status.trials.planned > 0;
  });
