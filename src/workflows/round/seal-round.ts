import { CancellationScope, isCancellation, log, workflowInfo } from '@temporalio/workflow';
import { TemporalFailure } from '@temporalio/common';
import { canonicalDigest, orderNames, roundNumberOf, runSettingsOf, type RoundResult } from '../../contract/index.js';
import { tell } from '../runtime/children.js';
import { conduct } from './conduct.js';
import { onRunSignals, newRunSignals, steerOf } from '../runtime/run-signals.js';
import { asWorkflowFailure, sentenceOf } from '../runtime/failures.js';
import { parseRoundConfig } from '../runtime/parse.js';
import { RoundContext } from './context.js';
import { installRoundMessages } from './messages.js';
import { RoundState } from './state.js';
import { whileParentRuns } from '../runtime/with-parent.js';

/**
 * One turn of SEAL's outer loop. Its workflow id is the round's id; its input is one optional object, of which nothing
 * means a small round on the sample corpus.
 * @throws InvalidConfig, RoundIdTaken, InvalidCorpus, TooManyFailedTrials, … each with a message for people
 */
export async function sealRound(input?: unknown): Promise<RoundResult> {
  const { workflowId: roundId } = workflowInfo();
  const config = parseRoundConfig(input, roundId);
  const controls = newRunSignals();
  const state = new RoundState(roundId, config, controls);
  const round = new RoundContext(state, runSettingsOf(config));
  installRoundMessages(round);
  onRunSignals(
    controls,
    {
      pause: 'Starts no more trials and no further stage.',
      stop: 'Starts no more trials anywhere, finishes what is in flight, then selects.',
    },
    () => {
      for (const shard of round.shards) tell(shard, orderNames.steer, steerOf(controls));
      round.show();
    },
  );
  round.show();

  let claimed = false;
  try {
    await claim(round);
    claimed = true;
    await round.call('endOrphans', { parentId: roundId }, 'what a run before this one left behind');
    const result = await whileParentRuns(round.settings, () => conduct(round));
    state.release = { released: result.released, reason: result.releaseReason };
    await round.call(
      'closeRound',
      { roundId, run: round.run, status: 'completed', reason: result.releaseReason },
      'completed',
    );
    round.at('done');
    return result;
  } catch (error) {
    if (!(error instanceof TemporalFailure)) throw error;
    await attempt(() => round.call('endOrphans', { parentId: roundId }, 'what a run before this one left behind'));
    // An id that could not be claimed may be another round's, which is not ours to close.
    if (claimed) await closeAfter(error, round);
    throw isCancellation(error) ? error : asWorkflowFailure(error);
  }
}

/** Takes the id for this config, and learns what the server can be told. */
async function claim(round: RoundContext): Promise<void> {
  const { roundId, config } = round;
  const startedAtMs = workflowInfo().runStartTime.getTime();
  const request = { roundId, configDigest: canonicalDigest(config), config, startedAtMs };
  const { searchAttributes, run } = await round.call('claimRound', request, config.model);
  round.run = run;
  round.settings = { ...round.settings, searchAttributes };
  const number = roundNumberOf(roundId);
  round.tag({
    SealTenant: config.tenant,
    SealModel: config.model,
    SealStage: round.state.stage,
    ...(number === null ? {} : { SealRound: number }),
  });
}

/** Tells the ledger how the round ended, whatever happens meanwhile. */
async function closeAfter(failure: TemporalFailure, round: RoundContext): Promise<void> {
  const { roundId } = round;
  const status = isCancellation(failure) ? 'cancelled' : 'failed';
  const reason = sentenceOf(failure);
  await attempt(() => round.call('closeRound', { roundId, run: round.run, status, reason }, status));
}

/** Does one of the last steps, also while the round is cancelled; the end waits for no other way. */
async function attempt(step: () => Promise<unknown>): Promise<void> {
  try {
    await CancellationScope.nonCancellable(step);
  } catch (error) {
    log.warn('the round could not be closed as it should', { why: String(error) });
  }
}
