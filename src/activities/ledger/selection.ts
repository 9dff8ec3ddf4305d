import type { ActivityRequest, ActivityResult, Evaluation } from '../../contract/index.js';
import type { Trial } from '../../ledger/index.js';
import { groupBy } from '../../lib/group-by.js';
import type { TrialRecord } from '../../seal/records.js';
import { select } from '../../seal/select.js';
import { mean } from '../../seal/statistics.js';
import type { LedgerDeps } from './deps.js';

/** Chooses among the recorded candidates by the pure rule and records the choice. A round's first choice is kept. */
export async function selectEdits(
  { ledger, design }: LedgerDeps,
  { roundId }: ActivityRequest<'selectEdits'>,
): Promise<ActivityResult<'selectEdits'>> {
  const { config } = await ledger.rounds.prepared(roundId);
  const records = recordsOf(await ledger.trials.ofPurpose(roundId, design.candidates));
  const selection = await ledger.selections.insert(
    roundId,
    select(records, { ...config.selection, maxCanariesLost: config.reward.maxCanariesLost }),
  );
  const rewards = records.flatMap((record) => mean(record.rewards.map(({ total }) => total)) ?? []);
  return {
    selectionDigest: selection.digest,
    chosen: selection.chosen.length,
    sources: selection.chosen.length + selection.without.length,
    ties: selection.ties,
    meanReward: mean(rewards),
    bestReward: rewards.length === 0 ? null : rewards.reduce((best, reward) => Math.max(best, reward)),
  };
}

/** Of the canaries that the learner knew. */
const shareLost = (canaries: Evaluation['canaries']): number | null =>
  canaries === null || canaries.asked === 0 ? null : canaries.lost / canaries.asked;

/** What selection may see of each recorded trial: nothing of questions B. */
function recordsOf(trials: Trial[]): TrialRecord[] {
  return [...groupBy(trials, ({ spec }) => spec.sourceId).values()].flatMap((candidates) =>
    candidates.flatMap(({ spec, result }, index) => {
      if (result === null) return [];
      const { outcome, editDigest, evaluation } = result;
      const rewards = outcome === 'scored' && evaluation?.reward ? [evaluation.reward] : [];
      const canariesLost = shareLost(evaluation?.canaries ?? null);
      return [{ trialId: spec.trialId, sourceId: spec.sourceId, index, outcome, rewards, editDigest, canariesLost }];
    }),
  );
}
