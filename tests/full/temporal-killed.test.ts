import { expect, it } from 'vitest';
import { killAndWait, playRound, untilTrials } from '../support/played-round.js';
import { tinyRound, until } from '../support/tiny-round.js';

const roundId = 'demo.server.r0001';

it('a round goes on where it was when Temporal itself is killed, twice', async () => {
  const { trials, policy, keys } = await playRound(roundId, tinyRound);
  const disturbed = await playRound(roundId, tinyRound, {
    disturb: async (client, stack, ledger) => {
      await untilTrials(client, roundId);
      await killAndWait(stack, 'temporal');
      await until(async () =>
        (await ledger.trials.ofPhase(roundId, 'edits')).some(({ result }) => result?.outcome === 'scored'),
      );
      await killAndWait(stack, 'temporal');
    },
  });
  expect(trials.every(({ outcome }) => outcome === 'scored')).toBe(true);
  expect(disturbed).toMatchObject({ trials, policy, keys });
});
