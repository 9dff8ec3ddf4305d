import { describe, expect, it } from 'vitest';
import type { PartName } from '../../src/stack/index.js';
import { killAndWait, playRound, stopFor, untilTrials, type Ending } from '../support/played-round.js';
import { checkpoints, tinyRound, until } from '../support/tiny-round.js';

// Every process of the stack killed and stopped, in mid-round and at the gate. However the round was disturbed, it must end
// as the undisturbed one did.
const roundId = 'demo.outages.r0001';

/** Longer than a heartbeat's timeout and a connection's; Postgres even longer than a query's. */
const stoppedSeconds: Record<PartName, number> = { worker: 20, runner: 20, temporal: 20, postgres: 90 };

let calm: Promise<Ending> | null = null;
const undisturbed = (): Promise<Ending> => (calm ??= playRound(roundId, tinyRound));

describe.each(Object.entries(stoppedSeconds) as [PartName, number][])(
  'a round goes on where it was when %s',
  (part, seconds) => {
    it('is killed and stopped in mid-round', async () => {
      const { trials, policy, keys } = await undisturbed();
      const disturbed = await playRound(roundId, tinyRound, {
        withinMs: 600_000,
        disturb: async (client, stack) => {
          await untilTrials(client, roundId);
          await killAndWait(stack, part);
          await until(async () => (await checkpoints(stack)) > 0, 20);
          await stopFor(stack, part, seconds);
        },
      });
      expect(trials.every(({ outcome }) => outcome === 'scored')).toBe(true);
      expect(disturbed).toMatchObject({ trials, policy, keys });
    });

    it('is killed and stopped at the gate, and stopped while the decision comes', async () => {
      const { trials, policy, keys } = await undisturbed();
      let stopped: Promise<void> = Promise.resolve();
      const disturbed = await playRound(roundId, tinyRound, {
        withinMs: 600_000,
        atGate: async (stack) => {
          await killAndWait(stack, part);
          stopped = stopFor(stack, part, 20);
        },
        // a round that did not need the part has ended by then
        cleanUp: () => stopped,
      });
      expect(disturbed).toMatchObject({ trials, policy, keys });
    });
  },
);
