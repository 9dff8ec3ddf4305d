import { CancellationScope } from '@temporalio/workflow';
import type { ActivityResult, Purpose, RoundResult } from '../../contract/index.js';
import { both } from '../../lib/concurrency.js';
import { whenNotPaused } from '../runtime/run-signals.js';
import { releaseSubject } from './release-subject.js';
import { measureBaseline } from './baseline.js';
import type { RoundContext } from './context.js';
import { decideRelease, tellOvertaken } from './gate.js';
import { trainPolicy, type TrainedPolicy } from './policy.js';
import { runTrials } from './trials.js';

/** The round from its sources to its release. */
export async function conduct(round: RoundContext): Promise<RoundResult> {
  const { roundId, call, config, state } = round;

  const model = await call('describeModel', { model: config.model }, `${config.model}, from a runner on its queue`);
  await call('checkServer', { roundId }, `whether the model server has ${config.model}`);
  const prepared = await call('prepareRound', { roundId, model }, config.corpus);
  state.model = prepared.old;
  state.corpusNotes = prepared.notes;
  round.show();

  const documents = prepared.trainSources + prepared.heldOutSources;
  await measureBeside(round, 'old', documents, async () => {
    await round.enter('trials');
    await runTrials(round, 'edits');
  });

  await round.enter('selecting');
  const { chosen, sources } = await call('selectEdits', { roundId }, `rule ${config.selection.rule}`);
  state.selected = chosen;

  await round.enter('policy');
  const trained = await trainPolicyAndConfirm(round, chosen);

  const examine = async (): Promise<void> => {
    await round.enter('examining');
    if (trained.policy !== null && prepared.heldOutSources > 0) {
      await runUnlessStopped(round, 'examine');
      await runUnlessStopped(round, 'cross');
    }
  };
  const measured = (): Promise<void> =>
    trained.policy === null ? examine() : measureBeside(round, 'new', documents, examine);
  await bothOrCancel(() => runControls(round), measured);
  const report = await call('buildReport', { roundId }, `${chosen} edits chosen on ${sources} sources`);
  state.reported(report);
  state.report = report.report;

  const release = await decideAndRelease(round, trained, report);
  round.tag({ SealOutcome: release.released ? 'released' : (release.gate ?? 'no-policy') });
  return {
    version: 1,
    roundId,
    trials: report.trials,
    selected: chosen,
    policy: trained.policy,
    ...release,
    heldOut: report.heldOut,
    canaries: report.canaries,
    warnings: state.status.warnings,
    arms: report.arms,
    deviceSeconds: report.deviceSeconds,
    report: report.report,
  };
}

/** Neither waits for the other, and one mostly trains while the other mostly answers. */
async function trainPolicyAndConfirm(round: RoundContext, chosen: number): Promise<TrainedPolicy> {
  if (!confirms(round, chosen)) return trainPolicy(round);
  let confirmed = false;
  const [trained] = await bothOrCancel(
    async () => {
      const policy = await trainPolicy(round);
      if (!confirmed) round.at('confirming');
      return policy;
    },
    async () => {
      await runUnlessStopped(round, 'confirm');
      confirmed = true;
    },
  );
  return trained;
}

async function runControls(round: RoundContext): Promise<void> {
  const { rawPassage, merged, rules } = round.config.controls;
  if (rawPassage || merged || rules) await runUnlessStopped(round, 'controls');
}

const confirms = ({ config: { controls } }: RoundContext, chosen: number): boolean =>
  (controls.freshSeeds || controls.otherSource) && chosen > 0;

/** Measures while trials run: they share the server's batches, and a trial asks what it misses itself. */
async function measureBeside(
  round: RoundContext,
  learner: 'old' | 'new',
  sources: number,
  trials: () => Promise<void>,
): Promise<void> {
  await bothOrCancel(() => measureBaseline(round, learner, sources), trials);
}

/** Both results; where one fails the other is cancelled, and waited for. */
async function bothOrCancel<A, B>(one: () => Promise<A>, other: () => Promise<B>): Promise<[A, B]> {
  return CancellationScope.cancellable(async () => {
    const scope = CancellationScope.current();
    return both(one(), other(), () => scope.cancel());
  });
}

/** After a stop there are no new trials, not even those of a later purpose. */
async function runUnlessStopped(round: RoundContext, purpose: Purpose): Promise<void> {
  await whenNotPaused(round.state.signals);
  if (!round.state.signals.stopping) await runTrials(round, purpose);
}

async function decideAndRelease(
  round: RoundContext,
  trained: TrainedPolicy,
  report: ActivityResult<'buildReport'>,
): Promise<Pick<RoundResult, 'gate' | 'released' | 'releaseReason'>> {
  if (trained.policy === null) return { gate: null, released: false, releaseReason: trained.reason };
  await round.enter('gate');
  const { blocked, replaces, rules } = await round.call(
    'checkRelease',
    { roundId: round.roundId },
    'what a release would replace',
  );
  const outlook = blocked === null ? `it would replace ${replaces ?? 'nothing'}` : `it cannot be released: ${blocked}`;
  const subject = `${releaseSubject(round.roundId, report)}; ${outlook}`;
  const gate = await decideRelease(round, rules, { digest: report.releaseDigest, subject });
  await round.enter('releasing');
  const { released, reason, overtaken } = await round.call(
    'releasePolicy',
    { roundId: round.roundId, gate },
    gate.outcome,
  );
  await tellOvertaken(overtaken);
  return { gate: gate.outcome, released, releaseReason: reason };
}
