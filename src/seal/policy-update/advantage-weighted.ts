import { groupBy } from '../../lib/group-by.js';
import { mean } from '../statistics.js';
import type { PolicyUpdate } from './update.js';

/** Keeps the advantages of nearly equal rewards near 0; the value of TRL's GRPO. */
const deviationFloor = 1e-4;

/** Advantages this near to 0 are the rounding error of equal rewards. */
const noAdvantage = 1e-6;

/**
 * Supervised training on every edit that beats the mean of its source's candidates, weighted by its advantage. The rule of
 * the selection takes no part, only its bound on canaries: what counts is an edit's reward against its siblings'. Siblings
 * of equal reward teach nothing.
 */
export const advantageWeighted: PolicyUpdate = ({ candidates }) =>
  [...groupBy(candidates, ({ sourceId }) => sourceId).values()].flatMap((siblings) => {
    const allowed = siblings.filter((candidate) => candidate.allowed);
    const advantages = standardized(allowed.map(({ reward }) => reward));
    return allowed.flatMap(({ sourceId, trialId }, i) => {
      const weight = advantages[i] ?? 0;
      return weight > noAdvantage ? [{ sourceId, trialId, weight }] : [];
    });
  });

/** Each value's distance from the mean in sample standard deviations; 0 for a value without others. */
function standardized(values: number[]): number[] {
  const center = mean(values) ?? 0;
  const squares = values.reduce((sum, value) => sum + (value - center) ** 2, 0);
  const deviation = Math.sqrt(squares / Math.max(1, values.length - 1));
  return values.map((value) => (value - center) / (deviation + deviationFloor));
}
