import { CancellationScope, isCancellation, log, workflowInfo } from '@temporalio/workflow';
import { TemporalFailure } from '@temporalio/common';
import {
  canonicalDigest,
  roundNumberOf,
  signalNames,
  type ActivityResult,
  type Phase,
  type RoundResult,
  type RunSettings,
} from '../contract/index.js';
import { tell } from './children.js';
import { installControls, newControls, unpaused } from './controls.js';
import { asWorkflowFailure, sentenceOf } from './failures.js';
import { parseRoundConfig } from './parse-config.js';
import { RoundContext } from './round-context.js';
import { decideRelease } from './round-gate.js';
import { installRoundMessages } from './round-messages.js';
import { trainPolicy, type TrainedPolicy } from './round-policy.js';
import { RoundState } from './round-state.js';
import { runTrials } from './round-trials.js';

/**
 * One turn of SEAL's outer loop. Its workflow id is the round's id; its input is one optional object, of which nothing
 * means a small round on the sample corpus.
 * @throws InvalidConfig, RoundIdTaken, InvalidCorpus, TooManyFailedTrials, … each with a message for people
 */
export async function sealRound(input?: unknown): Promise<RoundResult> {
  const { workflowId: roundId } = workflowInfo();
  const config = parseRoundConfig(input);
  const settings: RunSettings = { tenant: config.tenant, profiles: config.profiles, searchAttributes: [] };
  const controls = newControls();
  const round = new RoundContext(new RoundState(roundId, config, controls), settings);
  installRoundMessages(round);
  installControls(
    controls,
    {
      pause: 'Starts no more trials and no further phase.',
      stop: 'Starts no more trials anywhere, finishes what is in flight, then selects.',
    },
    (signal) => {
      for (const shard of round.shards) tell(shard, signalNames[signal]);
      round.show();
    },
  );
  round.show();

  let claimed = false;
  try {
    await claim(round);
    claimed = true;
    const result = await conduct(round);
    await round.call('closeRound', { roundId, status: 'completed', reason: result.releaseReason }, 'completed');
    round.at('done');
    return result;
  } catch (error) {
    if (!(error instanceof TemporalFailure)) throw error;
    // An id that could not be claimed may be another round's, which is not ours to close.
    if (claimed) await closeAfter(error, round);
    throw isCancellation(error) ? error : asWorkflowFailure(error);
  }
}

/** Takes the id for this config, and learns what the server can be told. */
async function claim(round: RoundContext): Promise<void> {
  const { roundId, config } = round;
  const request = { roundId, configDigest: canonicalDigest(config), config };
  const { searchAttributes } = await round.call('claimRound', request, config.model);
  round.settings = { ...round.settings, searchAttributes };
  const number = roundNumberOf(roundId);
  round.tag({
    SealTenant: config.tenant,
    SealModel: config.model,
    SealPhase: round.state.phase,
    ...(number === null ? {} : { SealRound: number }),
  });
}

/** The round from its sources to its release. */
async function conduct(round: RoundContext): Promise<RoundResult> {
  const { roundId, call, config, state } = round;

  const model = await call('describeModel', { model: config.model }, `${config.model}, from a runner on its queue`);
  const prepared = await call('prepareRound', { roundId, model }, config.corpus);
  state.model = prepared.old;
  round.show();
  await call('measureBaseline', { roundId, learner: 'old' }, 'the policy that the round starts from');

  await round.enter('trials');
  await runTrials(round, 'edits');
  if (config.controls.rawPassage) await runUnlessStopped(round, 'controls');

  await round.enter('selecting');
  const { chosen, sources } = await call('selectEdits', { roundId }, `rule ${config.selection.rule}`);
  state.selected = chosen;

  await round.enter('policy');
  const trained = await trainPolicy(round);

  if (config.controls.freshSeeds && chosen > 0) {
    await round.enter('confirming');
    await runUnlessStopped(round, 'confirm');
  }

  await round.enter('examining');
  if (trained.policy !== null && prepared.heldOutSources > 0) {
    await runUnlessStopped(round, 'examine');
    await runUnlessStopped(round, 'cross');
  }
  const report = await call('buildReport', { roundId }, `${chosen} edits chosen on ${sources} sources`);
  state.table = report.markdown;

  const release = await decideAndRelease(round, trained, report);
  round.tag({ SealOutcome: release.released ? 'released' : (release.gate ?? 'no-policy') });
  return {
    roundId,
    trials: report.trials,
    selected: chosen,
    policy: trained.policy,
    ...release,
    heldOut: report.heldOut,
    arms: report.arms,
    deviceSeconds: report.deviceSeconds,
    report: report.report,
  };
}

/** After a stop there are no new trials, not even those of a later phase. */
async function runUnlessStopped(round: RoundContext, phase: Phase): Promise<void> {
  await unpaused(round.state.controls);
  if (!round.state.controls.stopping) await runTrials(round, phase);
}

async function decideAndRelease(
  round: RoundContext,
  trained: TrainedPolicy,
  { releaseDigest, heldOut }: ActivityResult<'buildReport'>,
): Promise<Pick<RoundResult, 'gate' | 'released' | 'releaseReason'>> {
  if (trained.policy === null) return { gate: null, released: false, releaseReason: trained.reason };
  await round.enter('gate');
  const subject =
    `release the policy of ${round.roundId}: held-out match ${percent(heldOut.before)} before, ` +
    `${percent(heldOut.after)} after (${heldOut.questions} questions)`;
  const gate = await decideRelease(round, releaseDigest, subject);
  await round.enter('releasing');
  const { released, reason } = await round.call('releasePolicy', { roundId: round.roundId, gate }, gate.outcome);
  return { gate: gate.outcome, released, releaseReason: reason };
}

const percent = (share: number | null): string => (share === null ? 'unknown' : `${(share * 100).toFixed(1)} %`);

/** Tells the ledger how the round ended, whatever happens meanwhile. */
async function closeAfter(failure: TemporalFailure, round: RoundContext): Promise<void> {
  const status = isCancellation(failure) ? 'cancelled' : 'failed';
  const reason = sentenceOf(failure);
  try {
    await CancellationScope.nonCancellable(() =>
      round.call('closeRound', { roundId: round.roundId, status, reason }, status),
    );
  } catch (error) {
    log.warn('the round could not be closed in the ledger', { status, reason, why: String(error) });
  }
}
