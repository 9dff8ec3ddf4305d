import { afterEach } from 'vitest';
import type { Client } from '@temporalio/client';
import { queryNames, roundStatusSchema, type RoundConfigInput } from '../../src/contract/index.js';
import type { Stack } from '../../src/stack/index.js';
import {
  approvedResult,
  fingerprint,
  publishedTrainings,
  startRound,
  startTinyStack,
  until,
  type TinyStack,
} from './tiny-round.js';

/** What a round came to: equal for two runs of it, whatever happened on the way, but for `resumedFrom`. */
export interface Ending {
  trials: Awaited<ReturnType<typeof fingerprint>>;
  policy: string | undefined;
  /** of the trainings published, sorted */
  keys: string[];
  resumedFrom: number[];
}

export type Disturb = (client: Client, stack: Stack) => Promise<void>;

/** Plays a round, each time on a new stack, and has somebody disturb it; the stack is gone after the test. */
export function useRounds(roundId: string, config: RoundConfigInput): (disturb: Disturb) => Promise<Ending> {
  let tiny: TinyStack | null = null;
  afterEach(async () => {
    await tiny?.stop();
    tiny = null;
  });
  return async (disturb) => {
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
}

/** Waits until the round's trials are under way. */
export const untilTrials = (client: Client, roundId: string): Promise<unknown> =>
  until(async () => {
    const status = roundStatusSchema.parse(await client.workflow.getHandle(roundId).query(queryNames.status));
    return status.phase === 'trials' && status.trials.planned > 0;
  });
