import { CancellationScope, patched } from '@temporalio/workflow';
import type { ActivityResult, Phase, RoundResult } from '../contract/index.js';
import { unpaused } from './controls.js';
import type { RoundContext } from './round-context.js';
import { decideRelease } from './round-gate.js';
import { trainPolicy, type TrainedPolicy } from './round-policy.js';
import { runTrials } from './round-trials.js';

/** The round from its sources to its release. */
export async function conduct(round: RoundContext): Promise<RoundResult> {
  const { roundId, call, config, state } = round;

  const model = await call('describeModel', { model: config.model }, `${config.model}, from a runner on its queue`);
  const prepared = await call('prepareRound', { roundId, model }, config.corpus);
  state.model = prepared.old;
  round.show();

  await beside(
    () => measureBaseline(round, 'old'),
    async () => {
      await round.enter('trials');
      await runTrials(round, 'edits');
      if (config.controls.rawPassage) await runUnlessStopped(round, 'controls');
    },
  );

  await round.enter('selecting');
  const { chosen, sources } = await call('selectEdits', { roundId }, `rule ${config.selection.rule}`);
  state.selected = chosen;

  await round.enter('policy');
  const trained = await trainPolicy(round);

  const measure = (): Promise<void> => (trained.policy === null ? Promise.resolve() : measureBaseline(round, 'new'));
  await beside(measure, async () => {
    if ((config.controls.freshSeeds || config.controls.otherSource) && chosen > 0) {
      await round.enter('confirming');
      await runUnlessStopped(round, 'confirm');
    }

    await round.enter('examining');
    if (trained.policy !== null && prepared.heldOutSources > 0) {
      await runUnlessStopped(round, 'examine');
      await runUnlessStopped(round, 'cross');
    }
  });
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

const learners = { old: 'the policy that the round starts from', new: 'the new policy' };

async function measureBaseline({ call, roundId }: RoundContext, learner: 'old' | 'new'): Promise<void> {
  await call('measureBaseline', { roundId, learner }, learners[learner]);
}

/**
 * Measures while trials run: they share the server's batches, and a trial asks what it misses itself. Where one of the two
 * fails the other is cancelled, and waited for. Earlier rounds waited for the measurement first.
 */
async function beside(measure: () => Promise<void>, trials: () => Promise<void>): Promise<void> {
  await CancellationScope.cancellable(async () => {
    const measured = measure();
    if (!patched('baseline-beside-trials')) await measured;
    const both = [measured, trials()];
    try {
      await Promise.all(both);
    } catch (error) {
      CancellationScope.current().cancel();
      await Promise.allSettled(both);
      throw error;
    }
  });
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
