import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { deriveSeed } from '../../src/seal/keys.js';
import { killAndWait, playRound, type Ending } from '../support/played-round.js';
import { tinyRound } from '../support/tiny-round.js';

// Random moments, the same in every run of the test. A supervisor starts a part again five times in ten minutes, so there
// are four kills in a round.
const kills = 4;
const momentMs = (seed: number, kill: number): number => 300 + (deriveSeed(seed, 'kill', kill) % 5000);

const roundId = 'demo.kills.r0001';
let calm: Promise<Ending> | null = null;

it.each([1, 2, 3])('a round whose worker is killed four times ends as an undisturbed one (seed %i)', async (seed) => {
  const { trials, policy, keys } = await (calm ??= playRound(roundId, tinyRound));
  const disturbed = await playRound(roundId, tinyRound, {
    disturb: async (_, stack) => {
      for (let kill = 0; kill < kills; kill += 1) {
        await sleep(momentMs(seed, kill));
        await killAndWait(stack, 'worker');
      }
    },
  });
  expect(trials.every(({ outcome }) => outcome === 'scored')).toBe(true);
  expect(disturbed).toMatchObject({ trials, policy, keys });
});
