import { resolveRecipe, type Purpose, type Recipe, type RoundConfig } from '../../contract/index.js';
import type { Ledger, PolicyOwner, PreparedRound } from '../../ledger/index.js';
import { policyUpdates } from '../../seal/policy-update/index.js';
import { loadTaughtEdits } from './policy-edits.js';

/** Seconds of the device for one pair in one epoch, and how that is known. */
export interface Pace {
  seconds: number;
  from: string;
}

/** As the tenant's last policy of this model was trained; null before there is one. */
export async function paceOfLastPolicy(ledger: Ledger, owner: PolicyOwner): Promise<Pace | null> {
  const last = await ledger.policies.lastTrained(owner);
  if (!last?.training) return null;
  const { deviceSeconds, steps } = last.training;
  return { seconds: deviceSeconds / (steps * last.request.recipe.batchSize), from: "the tenant's last policy" };
}

/** Before there was a policy, as this round's own trials were trained, whose texts are shorter. */
export async function measurePace(
  ledger: Ledger,
  { roundId, config, old }: PreparedRound,
  candidates: Purpose,
): Promise<Pace | null> {
  const owner = { tenant: config.tenant, model: old.base, baseDigest: old.baseDigest };
  const last = await paceOfLastPolicy(ledger, owner);
  if (last !== null) return last;
  const { deviceSeconds, steps } = await ledger.trials.trained(roundId, candidates);
  if (deviceSeconds === 0 || steps === 0) return null;
  const { batchSize } = resolveRecipe(config.recipe);
  return { seconds: deviceSeconds / (steps * batchSize), from: "this round's trials, at least" };
}

/**
 * Why a policy cannot be trained on `pairs` pairs within the round's cap, with the figures; null where it can, or where
 * the pace is unknown.
 */
export function overBudget(config: RoundConfig, pairs: number, pace: Pace | null): string | null {
  if (pace === null) return null;
  const recipe = resolveRecipe(config.policy.recipe);
  const steps = stepsOf(recipe, pairs);
  const seconds = steps * recipe.batchSize * pace.seconds;
  const { maxPolicyDeviceSeconds } = config.caps;
  if (seconds <= maxPolicyDeviceSeconds) return null;
  return (
    `the policy's training on ${pairs} pairs takes ${steps} steps and about ${Math.ceil(seconds)} s of the device, at ` +
    `${pace.seconds.toPrecision(2)} s for a pair and epoch as in ${pace.from}; caps.maxPolicyDeviceSeconds allows ` +
    `${maxPolicyDeviceSeconds}: raise it, or take fewer epochs or earlier rounds`
  );
}

function stepsOf({ batchSize, epochs, maxSteps }: Recipe, pairs: number): number {
  const steps = Math.ceil(pairs / batchSize) * epochs;
  return maxSteps > 0 ? Math.min(steps, maxSteps) : steps;
}

/** Pairs that the round's policy would learn from: those of the rounds before it, and as many per document as theirs had. */
export async function expectedPairs(
  ledger: Ledger,
  { policy }: RoundConfig,
  earlier: string[],
  documents: number,
): Promise<number> {
  const edits = await loadTaughtEdits(ledger, policyUpdates[policy.update], earlier);
  const pairs = edits.reduce((sum, { proposal }) => sum + proposal.prompts.length, 0);
  const taught = new Set(edits.map(({ roundId, sourceId }) => JSON.stringify([roundId, sourceId]))).size;
  return pairs + Math.ceil(documents * (taught === 0 ? 1 : pairs / taught));
}
