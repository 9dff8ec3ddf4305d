import { mediaTypes, resolveRecipe, type Example, type TrainRequest, type TrialSpec } from '../../contract/index.js';
import type { Clamp, Directives } from '../../domains/domain.js';
import { modelOf, type PreparedRound } from '../../ledger/index.js';
import { applyDirectives, capSteps } from '../../seal/directives.js';
import { trainingKey } from '../../seal/keys.js';
import type { RoundRun } from './deps.js';
import { publishReplay } from './replay.js';

/** The round's recipe for the trial, as the edit wants it, held to the round's cap on steps. */
export function recipeOf(
  { config }: PreparedRound,
  { recipe }: Pick<TrialSpec, 'recipe'>,
  directives: Directives,
  examples: number,
) {
  const chosen = resolveRecipe(recipe === 'document' ? config.documentRecipe : config.recipe);
  return capSteps(applyDirectives(chosen, directives), examples, config.caps.maxStepsPerTrial);
}

/** Publishes the examples as a dataset and returns how to train on them; `clamps` is what the round's cap changed. */
export async function publishTraining(
  run: RoundRun,
  round: PreparedRound,
  spec: TrialSpec,
  { examples, directives }: { examples: Example[]; directives: Directives },
): Promise<{ training: TrainRequest; clamps: Clamp[] }> {
  const learner = modelOf(round, spec.learner);
  const { recipe, clamps } = recipeOf(round, spec, directives, examples.length);
  const dataset = await run.store.put(mediaTypes.dataset, {
    'data.jsonl': examples.map((example) => `${JSON.stringify(example)}\n`).join(''),
  });
  const ratio = spec.recipe === 'document' ? round.config.replay : 0;
  const replayed = ratio > 0 ? await publishReplay(run, learner) : null;
  const seed = spec.trainingSeed;
  const key = trainingKey({
    baseDigest: learner.baseDigest,
    stack: learner.stack,
    datasetSha256: dataset.sha256,
    replay: replayed === null ? null : { sha256: replayed.sha256, ratio },
    recipe,
    seed,
  });
  return {
    clamps,
    training: {
      trainingKey: key,
      base: learner.base,
      baseDigest: learner.baseDigest,
      stack: learner.stack,
      dataset,
      ...(replayed === null ? {} : { replay: { dataset: replayed, ratio } }),
      recipe,
      seed,
      tenant: round.tenant,
      maxDeviceSeconds: round.config.caps.maxDeviceSeconds,
    },
  };
}
