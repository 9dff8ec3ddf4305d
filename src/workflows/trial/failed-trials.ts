import type { OutcomeCounts } from '../../contract/index.js';
import { percent } from '../../lib/format.js';
import { fatal } from '../runtime/parse.js';
import { countOf } from './tally.js';

/** Trials that must have ended before their failures say something of those to come. */
const enoughTrials = 20;

/** The share of `infra_failure` among the trials that were to run. */
export function failedFraction(outcomes: OutcomeCounts): number {
  const ran = ranOf(outcomes);
  return ran === 0 ? 0 : countOf(outcomes, 'infra_failure') / ran;
}

/**
 * Holds the trials that have ended to `maxFailedFraction`: while others are to come, from the twentieth on.
 * @throws TooManyFailedTrials
 */
export function refuseFailures(outcomes: OutcomeCounts, maxFailedFraction: number, { more }: { more: boolean }): void {
  const failed = failedFraction(outcomes);
  if (failed <= maxFailedFraction || (more && ranOf(outcomes) < enoughTrials)) return;
  throw fatal(
    'TooManyFailedTrials',
    `${percent(failed, 0)} of the trials failed for reasons of the infrastructure (${countOf(outcomes, 'infra_failure')}); ` +
      `maxFailedFraction allows ${percent(maxFailedFraction, 0)}. The trials' reasons are in the ledger and beside their workflows.`,
  );
}

const ranOf = (outcomes: OutcomeCounts): number => countOf(outcomes) - countOf(outcomes, 'skipped');
