import { canonicalDigest } from '../contract/index.js';
import { groupBy } from '../lib/group-by.js';
import type { Selection, TrialRecord } from './records.js';
import { mean } from './statistics.js';

export interface SelectionRule {
  rule: 'gain' | 'reference';
  /** `gain` takes no edit whose mean reward is not above this; `reference` does not look at it */
  minimum: number;
  /** no rule takes an edit that loses a larger share of canaries */
  maxCanariesLost: number;
}

type Candidate = Selection['candidates'][number];

/** Rewards this near are a tie: sums of the same gains in another order differ by less. */
const tieWidth = 1e-9;

/**
 * Chooses at most one edit per source, by mean reward over its repeats; among equals the first. `reference` is SEAL's
 * best-of-k, which always has a winner among those that forget little enough; `gain` also demands a reward above `minimum`. Only scored trials compete: a failure
 * is not a low score. Sources keep the order in which they come, and no order of a source's trials changes its winner.
 */
export function select(trials: TrialRecord[], { rule, minimum, maxCanariesLost }: SelectionRule): Selection {
  const scored: Candidate[] = [];
  const chosen: Selection['chosen'] = [];
  const without: Selection['without'] = [];
  for (const [sourceId, records] of groupBy(trials, (trial) => trial.sourceId)) {
    const siblings = candidatesOf(records, maxCanariesLost);
    scored.push(...siblings);
    const candidates = siblings.filter(({ allowed }) => allowed);
    const best = candidates.reduce<Candidate | null>(
      (top, c) => (top === null || c.reward > top.reward ? c : top),
      null,
    );
    if (best === null && siblings.length > 0) {
      const reason = `every scored edit (${siblings.length}) lost more canaries than reward.maxCanariesLost allows (${maxCanariesLost})`;
      without.push({ sourceId, reason });
    } else if (best === null) {
      without.push({ sourceId, reason: `no candidate was scored: ${outcomesOf(records)}` });
    } else if (rule === 'gain' && best.reward <= minimum) {
      without.push({ sourceId, reason: `the best reward, ${best.reward.toFixed(4)}, is not above ${minimum}` });
    } else {
      const tie = candidates.filter(({ reward }) => best.reward - reward <= tieWidth).length > 1;
      chosen.push({ sourceId, trialId: best.trialId, reward: best.reward, tie });
    }
  }
  const ties = chosen.filter(({ tie }) => tie).length;
  const digest = canonicalDigest({ rule, minimum, maxCanariesLost, candidates: scored, chosen, without });
  return { version: 1, rule, candidates: scored, chosen, without, ties, digest };
}

function candidatesOf(records: TrialRecord[], maxCanariesLost: number): Candidate[] {
  return [...records]
    .sort((left, right) => left.index - right.index)
    .flatMap(({ sourceId, trialId, outcome, rewards, canariesLost }) => {
      const reward = outcome === 'scored' ? mean(rewards.map(({ total }) => total)) : null;
      return reward === null ? [] : [{ sourceId, trialId, reward, allowed: (canariesLost ?? 0) <= maxCanariesLost }];
    });
}

/** "2 invalid_edit, 1 diverged" */
function outcomesOf(records: TrialRecord[]): string {
  const groups = groupBy(records, ({ outcome }) => outcome);
  return [...groups.keys()]
    .sort()
    .map((outcome) => `${groups.get(outcome)?.length ?? 0} ${outcome}`)
    .join(', ');
}
