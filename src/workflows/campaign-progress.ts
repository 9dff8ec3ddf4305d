import type { CampaignConfig, RoundConfig, RoundResult } from '../contract/index.js';

/** Earlier rounds that a round learns from, and that a campaign carries on. */
const roundsCarried = 100;

/** What the next round is asked for: the campaign's config, from the last released policy, with the pairs chosen so far. */
export function nextRoundConfig({ round, progress }: CampaignConfig): RoundConfig {
  const { nextRound, stack, rounds } = progress;
  return {
    ...round,
    startStack: nextRound === 1 ? round.startStack : stack,
    earlierRounds: [...round.earlierRounds, ...rounds].slice(-roundsCarried),
  };
}

/** Where the campaign stands after a round; only a release moves the policy on. */
export function progressAfter(
  { roundId, policy, released }: RoundResult,
  { progress }: CampaignConfig,
  { startStack, policyFrom }: RoundConfig,
): CampaignConfig['progress'] {
  return {
    nextRound: progress.nextRound + 1,
    stack: released && policy !== null ? [...(policyFrom === 'base' ? [] : startStack), policy.adapter] : startStack,
    rounds: [...progress.rounds, roundId].slice(-roundsCarried),
  };
}
