import {
  failure,
  mediaTypes,
  resolveRecipe,
  type ActivityRequest,
  type ActivityResult,
  type Example,
  type ModelRef,
  type Prompt,
  type TrainRequest,
} from '../../contract/index.js';
import type { PreparedRound } from '../../ledger/index.js';
import { deriveSeed, trainingKey } from '../../seal/keys.js';
import { policyUpdates } from '../../seal/policy-update/index.js';
import type { LedgerDeps } from './deps.js';
import { listEarlierRounds } from './lineage.js';
import { overBudget, measurePace } from './policy-budget.js';
import { loadTaughtEdits, type TaughtEdit } from './policy-edits.js';

/** What the config's update makes of this round and of those before it, as rows that the policy is trained on. */
export async function buildPolicyTraining(
  { ledger, store, design }: LedgerDeps,
  { roundId }: ActivityRequest<'buildPolicyTraining'>,
): Promise<ActivityResult<'buildPolicyTraining'>> {
  const asked = await ledger.policies.get(roundId);
  if (asked !== null) return { pairs: asked.pairs, training: asked.request };
  const round = await ledger.rounds.prepared(roundId);
  const rounds = [...(await listEarlierRounds(ledger, round)), roundId];
  const edits = await loadTaughtEdits(ledger, policyUpdates[round.config.policy.update], rounds);
  const pairs = edits.flatMap(pairsOf);
  if (pairs.length === 0) return { pairs: 0, training: null };
  const refused = overBudget(round.config, pairs.length, await measurePace(ledger, round, design.candidates));
  if (refused !== null) return { pairs: pairs.length, training: null, refused };
  const dataset = await store.put(mediaTypes.dataset, {
    'data.jsonl': pairs.map((pair) => `${JSON.stringify(pair)}\n`).join(''),
  });
  const { pairs: stored, request } = await ledger.policies.request(roundId, {
    pairs: pairs.length,
    request: requestOf(round, dataset),
  });
  return { pairs: stored, training: request };
}

/** Keeps the trained policy: the base, or the policy that the round started from, with the new layer on top. */
export async function recordPolicy(
  { ledger }: LedgerDeps,
  { roundId, training }: ActivityRequest<'recordPolicy'>,
): Promise<ActivityResult<'recordPolicy'>> {
  const round = await ledger.rounds.prepared(roundId);
  const asked = await ledger.policies.get(roundId);
  if (asked?.request.trainingKey !== training.trainingKey) {
    const expected =
      asked === null ? 'no policy training was built' : `its policy's training is ${asked.request.trainingKey}`;
    throw failure(
      'InvalidRequest',
      `recordPolicy: training ${training.trainingKey} is not of round ${roundId}: ${expected}`,
    );
  }
  const model: ModelRef = { ...round.old, stack: [...asked.request.stack, training.adapter] };
  return ledger.transaction(async ({ policies, rounds }) => {
    const stored = await policies.record(roundId, { training, model });
    const recorded = stored.model ?? model;
    await rounds.setNew(roundId, recorded);
    return { new: recorded };
  });
}

/** One pair for each step that wrote the edit: the policy learns to plan as well as to write. */
function pairsOf({ weight, proposal: { proposalKey, prompts, completions } }: TaughtEdit): Example[] {
  return prompts.map((prompt, step) => {
    const completion = completions[step];
    if (completion === undefined) throw new RangeError(`proposal ${proposalKey} has fewer completions than prompts`);
    const pair = pairOf(prompt, completion);
    return weight === 1 ? pair : { ...pair, weight };
  });
}

const pairOf = (prompt: Prompt, completion: string): Example =>
  prompt.kind === 'text'
    ? { prompt: prompt.text, completion }
    : { messages: [...prompt.messages, { role: 'assistant', content: completion }] };

function requestOf({ config, old }: PreparedRound, dataset: TrainRequest['dataset']): TrainRequest {
  const training = {
    baseDigest: old.baseDigest,
    stack: config.policy.from === 'previous' ? old.stack : [],
    recipe: resolveRecipe(config.policy.recipe),
    seed: deriveSeed(config.seed, 'policy'),
  };
  return {
    ...training,
    trainingKey: trainingKey({ ...training, datasetSha256: dataset.sha256, replay: null }),
    base: old.base,
    dataset,
    tenant: config.tenant,
    maxDeviceSeconds: config.caps.maxPolicyDeviceSeconds,
  };
}
