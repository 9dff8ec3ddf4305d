import { isCancellation, log } from '@temporalio/workflow';
import { TemporalFailure } from '@temporalio/common';
import { emptyResult, type Outcome, type TrialResult, type TrialTask } from '../../contract/index.js';
import type { CallActivity } from '../runtime/call-activity.js';
import { sentenceOf } from '../runtime/failures.js';

/**
 * Records the outcome of a trial that cannot do it itself. Returns what the ledger holds, which is what was recorded
 * first; or just this outcome, should the ledger not take it.
 */
export async function recordOutcomeFor(
  call: CallActivity,
  { trialId, run }: TrialTask,
  outcome: Outcome,
  reason: string,
): Promise<TrialResult> {
  const result = emptyResult(trialId, outcome, reason);
  try {
    return await call('recordOutcome', { ...result, run }, `${trialId}: ${outcome}`);
  } catch (error) {
    if (isCancellation(error) || !(error instanceof TemporalFailure)) throw error;
    log.warn('an outcome could not be recorded', { trialId, outcome, why: sentenceOf(error) });
    return result;
  }
}
