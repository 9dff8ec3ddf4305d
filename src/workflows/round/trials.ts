import { CancellationScope, isCancellation } from '@temporalio/workflow';
import { TemporalFailure } from '@temporalio/common';
import {
  orderNames,
  shardIdOf,
  shardResultSchema,
  tasksOf,
  workflowTypes,
  type Purpose,
  type ShardInput,
  type ShardResult,
} from '../../contract/index.js';
import { startOne, tell } from '../runtime/children.js';
import { steerOf, whenNotPaused } from '../runtime/run-signals.js';
import { refuseFailures } from '../trial/failed-trials.js';
import { isFailure, sentenceOf } from '../runtime/failures.js';
import { parseResult } from '../runtime/parse.js';
import type { RoundContext } from './context.js';
import { recordOutcomeFor } from '../trial/record-outcome.js';
import { counted, summed } from '../trial/tally.js';
import { forEachConcurrently } from '../../lib/concurrency.js';

/** Shards in flight at once. */
const shardWindow = 4;
/** Progress reports of a purpose, about: a run may receive 10,000 signals, and a person needs a moving number. */
const reportsPerPhase = 50;

/**
 * Runs one purpose of trials in shards and holds the round to `maxFailedFraction`. What decides is what the shards came to;
 * what they say on the way is for people. After a failure the other shards are cancelled, and waited for.
 * @throws TooManyFailedTrials
 */
export async function runTrials(round: RoundContext, purpose: Purpose): Promise<void> {
  const { state, roundId, config } = round;
  await whenNotPaused(state.signals);
  const { trials, skipped, shards } = await round.call('planTrials', { roundId, purpose }, purpose);
  state.beginTrials(purpose, trials + skipped, skipped, shards);
  round.show();
  const reportEvery = Math.max(1, Math.ceil(trials / reportsPerPhase));
  const { window, maxFailedFraction } = config;

  await CancellationScope.cancellable(() =>
    forEachConcurrently(Array.from({ length: shards }), shardWindow, async (_, shard) => {
      try {
        await whenNotPaused(state.signals);
        const input = { roundId, purpose, shard, window, reportEvery, maxFailedFraction, settings: round.settings };
        const result = await runShard(round, { ...input, stopped: state.signals.stopping });
        state.ended({ purpose, shard, soFar: result });
        round.ended.push(result);
        const { bestReward } = state;
        const { outcomes } = summed(round.ended);
        round.tag({
          SealEditsDone: outcomes.scored ?? 0,
          ...(bestReward === null ? {} : { SealBestScore: bestReward }),
        });
        round.show();
        refuseFailures(outcomes, maxFailedFraction, { more: true });
      } catch (error) {
        CancellationScope.current().cancel();
        throw error;
      }
    }),
  );
  state.endTrials(purpose);
  refuseFailures(summed(round.ended).outcomes, maxFailedFraction, { more: false });
}

async function runShard(round: RoundContext, input: ShardInput): Promise<ShardResult> {
  const { signals: controls } = round.state;
  const workflowId = shardIdOf(input.roundId, input.purpose, input.shard);
  const shard = await startOne(round.settings, {
    type: workflowTypes.shard,
    workflowId,
    input,
    summary: `${input.purpose}, shard ${input.shard}`,
    tags: { SealPurpose: input.purpose },
  });
  round.shards.add(shard);
  // what was asked before, or while it was being started
  if (controls.order > 0) tell(shard, orderNames.steer, steerOf(controls));
  try {
    return parseResult(shardResultSchema, await shard.result(), workflowId);
  } catch (error) {
    if (CancellationScope.current().consideredCancelled || !(error instanceof TemporalFailure)) throw error;
    // its trials speak for themselves, and the round is about to fail
    if (isFailure(error, 'TooManyFailedTrials')) throw error;
    return await settleShard(round, input, error);
  } finally {
    round.shards.delete(shard);
  }
}

/** Settles the trials of a shard that was terminated, failed or cancelled by itself; recorded outcomes are kept. */
async function settleShard(round: RoundContext, input: ShardInput, failure: TemporalFailure): Promise<ShardResult> {
  const { roundId, purpose, shard } = input;
  const [outcome, reason] = isCancellation(failure)
    ? (['cancelled', 'its shard was cancelled'] as const)
    : (['infra_failure', `its shard did not end by itself: ${sentenceOf(failure)}`] as const);
  const loaded = await round.call('loadShard', { roundId, purpose, shard, begins: null }, `${purpose}, shard ${shard}`);
  let tally = loaded.recorded;
  await forEachConcurrently(tasksOf(loaded, input), input.window, async (trial) => {
    tally = counted(tally, await recordOutcomeFor(round.call, trial, outcome, reason));
  });
  return tally;
}
