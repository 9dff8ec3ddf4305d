import type { Trial } from '../ledger/index.js';
import { armNumbers } from './arms.js';
import type { Evidence } from './evidence.js';
import { canariesLostBy, deviceSecondsOf, outcomeCounts, retentionNumbers, reusedTrainings } from './counts.js';
import { heldOutNumbers } from './held-out.js';
import { warningsOf } from './warnings.js';

/** The whole report of a round: what was decided on, each number in it, and what each was made from. No clock, no machine. */
export type RoundReport = ReturnType<typeof reportOf>;

/** Computes a round's report; equal evidence gives an equal report. */
export function reportOf(evidence: Evidence) {
  const { design, round, component, trials, selection, policy, policyReused, retention } = evidence;
  const heldOut = heldOutNumbers(evidence);
  const chosen = new Set(selection?.chosen.map(({ trialId }) => trialId));
  const ofPurposes = design.purposes.map(({ name }) => ({ name, trials: trials[name] ?? [] }));
  const candidates = trials[design.candidates] ?? [];
  const all = ofPurposes.flatMap(({ trials }) => trials);
  const inTrials = deviceSecondsOf(all);
  const inPolicy = policyReused ? 0 : (policy?.training?.deviceSeconds ?? 0);
  return {
    version: 1,
    round: {
      roundId: round.roundId,
      configDigest: round.configDigest,
      config: round.config,
      corpusDigest: round.corpusDigest,
      model: round.model,
      old: round.old,
      new: round.new,
    },
    component,
    ...armNumbers(evidence),
    ...heldOut,
    warnings: warningsOf(evidence, heldOut.heldOut),
    retention: { canaries: retentionNumbers(retention.canary), frozen: retentionNumbers(retention.frozen) },
    /** what the adapters of the chosen edits forgot */
    chosenCanaries: canariesLostBy(candidates.filter(({ spec }) => chosen.has(spec.trialId))),
    /** of the trials that the selection chose among */
    candidates: outcomeCounts(candidates),
    /** by purpose */
    outcomes: Object.fromEntries(ofPurposes.map(({ name, trials }) => [name, outcomeCounts(trials)])),
    selection,
    policy:
      policy === null
        ? null
        : {
            pairs: policy.pairs,
            dataset: policy.request.dataset.sha256,
            recipe: policy.request.recipe,
            seed: policy.request.seed,
            training: policy.training,
            reused: policyReused,
          },
    deviceSeconds: { trials: inTrials, policy: inPolicy, total: inTrials + inPolicy },
    reusedTrainings: reusedTrainings(all) + Number(policyReused),
    trials: all.map(provenanceOf),
  };
}

/** How to find everything that a trial was made from and led to. */
function provenanceOf({ spec, proposalKey, training, result }: Trial) {
  const { trialId, purpose, sourceId, edit, learner, repeat, trainingSeed } = spec;
  return {
    trialId,
    purpose,
    sourceId,
    edit,
    learner,
    repeat,
    trainingSeed,
    proposalKey,
    dataset: training?.dataset.sha256 ?? null,
    recipe: training?.recipe ?? null,
    outcome: result?.outcome ?? null,
    reason: result?.reason ?? null,
    editDigest: result?.editDigest ?? null,
    trainingKey: result?.trainingKey ?? null,
    adapter: result?.adapter?.layer.sha256 ?? null,
    steps: result?.steps ?? null,
    deviceSeconds: result?.deviceSeconds ?? null,
    reused: result?.reused ?? null,
    evaluation: result?.evaluation ?? null,
  };
}
