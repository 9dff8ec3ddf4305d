import { CancellationScope, isCancellation, workflowInfo } from '@temporalio/workflow';
import { TemporalFailure } from '@temporalio/common';
import {
  reportNames,
  shardInputSchema,
  tasksOf,
  trialResultSchema,
  workflowTypes,
  type RunSettings,
  type ShardProgress,
  type ShardResult,
  type TrialResult,
  type TrialTask,
} from '../../contract/index.js';
import { activitiesOf, type CallActivity } from '../runtime/call-activity.js';
import { startOne, tellParent } from '../runtime/children.js';
import { onRunSignals, newRunSignals, whenNotPaused } from '../runtime/run-signals.js';
import { refuseFailures } from './failed-trials.js';
import { sentenceOf } from '../runtime/failures.js';
import { parseInput, parseResult } from '../runtime/parse.js';
import { recordOutcomeFor } from './record-outcome.js';
import { counted } from './tally.js';
import { forEachConcurrently } from '../../lib/concurrency.js';
import { whileParentRuns } from '../runtime/with-parent.js';

/**
 * At most 200 trials, a window of them in flight. No single trial fails its shard: for a child that cannot speak for itself any
 * more the shard records the outcome, and after `stop` it records the rest as `skipped`.
 * @throws TooManyFailedTrials where it is plain before the end that the round cannot go on so
 */
export async function sealShard(input: unknown): Promise<ShardResult> {
  const { roundId, purpose, shard, window, reportEvery, stopped, maxFailedFraction, settings } = parseInput(
    shardInputSchema,
    input,
    'sealShard',
  );
  const controls = newRunSignals(stopped);
  onRunSignals(controls, {
    pause: 'Starts no more trials of this shard.',
    stop: 'Records the trials not yet started as skipped.',
  });
  const call = activitiesOf(settings);

  const begins = { startedAtMs: workflowInfo().runStartTime.getTime() };
  const loaded = await call('loadShard', { roundId, purpose, shard, begins }, `${purpose}, shard ${shard}`);
  const trials = tasksOf(loaded, { roundId, purpose, shard });
  let soFar = loaded.recorded;
  let ended = 0;
  const tryAll = () =>
    forEachConcurrently(trials, window, async (trial) => {
      await whenNotPaused(controls);
      const result = controls.stopping
        ? await recordOutcomeFor(call, trial, 'skipped', 'the round was stopped before this trial began')
        : await tryOne(trial, settings, call);
      soFar = counted(soFar, result);
      ended += 1;
      const more = ended < trials.length;
      // the round judges what a whole shard came to
      if (more) refuseFailures(soFar.outcomes, maxFailedFraction, { more });
      // after the last one the result itself reports it
      if (more && ended % reportEvery === 0) {
        await tellParent(reportNames.shardProgress, { purpose, shard, soFar } satisfies ShardProgress);
      }
    });
  await whileParentRuns(settings, tryAll);
  return soFar;
}

async function tryOne(trial: TrialTask, settings: RunSettings, call: CallActivity): Promise<TrialResult> {
  try {
    const child = await startOne(settings, {
      type: workflowTypes.trial,
      workflowId: trial.trialId,
      input: { trial, settings },
      summary: trial.about,
      tags: { SealPurpose: trial.purpose },
    });
    return parseResult(trialResultSchema, await child.result(), trial.trialId);
  } catch (error) {
    // A cancelled shard has waited for this child, which recorded itself.
    if (CancellationScope.current().consideredCancelled || !(error instanceof TemporalFailure)) throw error;
    return isCancellation(error)
      ? recordOutcomeFor(call, trial, 'cancelled', 'the trial was cancelled')
      : recordOutcomeFor(
          call,
          trial,
          'infra_failure',
          `the trial's workflow did not end by itself: ${sentenceOf(error)}`,
        );
  }
}
