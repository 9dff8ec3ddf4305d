import type { OutcomeCounts, Outcome, ShardResult, TrialResult } from '../../contract/index.js';

export const emptyTally: ShardResult = { outcomes: {}, deviceSeconds: 0, bestReward: null };

/** A tally with one trial more. */
export function counted(tally: ShardResult, { outcome, deviceSeconds, evaluation }: TrialResult): ShardResult {
  const reward = evaluation?.reward?.total ?? null;
  return summed([tally, { outcomes: { [outcome]: 1 }, deviceSeconds, bestReward: reward }]);
}

/** Counts and seconds added up, and the best reward of all. */
export function summed(tallies: readonly ShardResult[]): ShardResult {
  const outcomes: OutcomeCounts = {};
  const rewards: number[] = [];
  let deviceSeconds = 0;
  for (const tally of tallies) {
    for (const [outcome, count] of Object.entries(tally.outcomes) as [Outcome, number][]) {
      outcomes[outcome] = (outcomes[outcome] ?? 0) + count;
    }
    deviceSeconds += tally.deviceSeconds;
    if (tally.bestReward !== null) rewards.push(tally.bestReward);
  }
  return { outcomes, deviceSeconds, bestReward: rewards.length === 0 ? null : Math.max(...rewards) };
}

/** How many trials have an outcome, of the given kinds or of any. */
export const countOf = (outcomes: OutcomeCounts, ...only: Outcome[]): number =>
  (Object.entries(outcomes) as [Outcome, number][])
    .filter(([outcome]) => only.length === 0 || only.includes(outcome))
    .reduce((sum, [, count]) => sum + count, 0);
