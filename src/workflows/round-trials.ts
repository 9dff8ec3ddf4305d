import { CancellationScope, isCancellation } from '@temporalio/workflow';
import { TemporalFailure } from '@temporalio/common';
import {
  shardIdOf,
  shardResultSchema,
  signalNames,
  tasksOf,
  workflowTypes,
  type Phase,
  type ShardInput,
  type ShardResult,
} from '../contract/index.js';
import { startOne, tell } from './children.js';
import { unpaused } from './controls.js';
import { sentenceOf } from './failures.js';
import { fatal, parseResult } from './parse.js';
import type { RoundContext } from './round-context.js';
import { settle } from './settle.js';
import { counted, emptyTally, failedFraction } from './tally.js';
import { inWindow } from './window.js';

/** Shards in flight at once. */
const shardWindow = 4;
/** Progress reports of a phase, about: a run may receive 10,000 signals, and a person needs a moving number. */
const reportsPerPhase = 50;

/**
 * Runs one phase of trials in shards, then holds the round to `maxFailedFraction`.
 * @throws TooManyFailedTrials
 */
export async function runTrials(round: RoundContext, phase: Phase): Promise<void> {
  const { state, roundId, config } = round;
  await unpaused(state.controls);
  const { trials, skipped, shards } = await round.call('planTrials', { roundId, phase }, phase);
  state.beginTrials(phase, trials + skipped, skipped);
  round.show();
  const reportEvery = Math.max(1, Math.ceil(trials / reportsPerPhase));

  await inWindow(Array.from({ length: shards }), shardWindow, async (_, shard) => {
    await unpaused(state.controls);
    const input = { roundId, phase, shard, window: config.window, reportEvery, settings: round.settings };
    const soFar = await runShard(round, { ...input, stopped: state.controls.stopping });
    state.heard({ phase, shard, soFar });
    const { outcomes, bestReward } = state.total;
    round.tag({ SealEditsDone: outcomes.scored ?? 0, ...(bestReward === null ? {} : { SealBestScore: bestReward }) });
    round.show();
  });
  state.endTrials(phase);

  const failed = failedFraction(state.total.outcomes);
  if (failed > config.maxFailedFraction) {
    throw fatal(
      'TooManyFailedTrials',
      `${(failed * 100).toFixed(0)} % of the trials failed for reasons of the infrastructure (${state.total.outcomes.infra_failure ?? 0}); ` +
        `maxFailedFraction allows ${(config.maxFailedFraction * 100).toFixed(0)} %. The trials' reasons are in the ledger and beside their workflows.`,
    );
  }
}

async function runShard(round: RoundContext, input: ShardInput): Promise<ShardResult> {
  const { controls } = round.state;
  const workflowId = shardIdOf(input.roundId, input.phase, input.shard);
  const shard = await startOne(round.settings, {
    type: workflowTypes.shard,
    workflowId,
    input,
    summary: `${input.phase}, shard ${input.shard}`,
    tags: { SealPhase: input.phase },
  });
  round.shards.add(shard);
  // what was asked while it was being started
  if (controls.paused) tell(shard, signalNames.pause);
  if (controls.stopping && !input.stopped) tell(shard, signalNames.stop);
  try {
    return parseResult(shardResultSchema, await shard.result(), workflowId);
  } catch (error) {
    if (CancellationScope.current().consideredCancelled || !(error instanceof TemporalFailure)) throw error;
    return await settleShard(round, input, error);
  } finally {
    round.shards.delete(shard);
  }
}

/** Speaks for the trials of a shard that was terminated, failed or cancelled by itself; what they recorded stands. */
async function settleShard(round: RoundContext, input: ShardInput, failure: TemporalFailure): Promise<ShardResult> {
  const { roundId, phase, shard } = input;
  const [outcome, reason] = isCancellation(failure)
    ? (['cancelled', 'its shard was cancelled'] as const)
    : (['infra_failure', `its shard did not end by itself: ${sentenceOf(failure)}`] as const);
  let tally = emptyTally;
  const loaded = await round.call('loadShard', { roundId, phase, shard, begins: false }, `${phase}, shard ${shard}`);
  await inWindow(tasksOf(loaded, input), input.window, async (trial) => {
    tally = counted(tally, await settle(round.call, trial, outcome, reason));
  });
  return tally;
}
