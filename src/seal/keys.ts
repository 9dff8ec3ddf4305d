import {
  canonicalDigest,
  textDigest,
  type ModelRef,
  type Prompt,
  type Recipe,
  type RoundConfig,
} from '../contract/index.js';

/**
 * The digests under which work is found again. Each covers everything that the work depends on and nothing else, so that a
 * retry, a second round or another tenant meets what is already there, and never something that only looks alike.
 */

/** The weights of a model version: its base and its layers, lowest first; the base's name does not matter. */
export const modelDigest = (model: ModelRef): string =>
  canonicalDigest({ base: model.baseDigest, layers: layersOf(model.stack) });

/**
 * An item as it was put. The prompt carries the style and, in context, the source, so that a changed wording is another
 * item; `content` holds what the answer is graded against; `sampling` decides where an answer ends.
 */
export const itemDigest = (item: {
  prompt: Prompt;
  content: unknown;
  sampling: { maxTokens: number; temperature: number; stop?: string[] };
}): string => canonicalDigest(item);

/** A training: base, stack, dataset, what is replayed, recipe and seed. */
export const trainingKey = (training: {
  baseDigest: string;
  stack: ModelRef['stack'];
  datasetSha256: string;
  replay: { sha256: string; ratio: number } | null;
  recipe: Recipe;
  seed: number;
}): string =>
  canonicalDigest({
    base: training.baseDigest,
    layers: layersOf(training.stack),
    dataset: training.datasetSha256,
    ...(training.replay === null ? {} : { replay: training.replay }),
    recipe: training.recipe,
    seed: training.seed,
  });

/**
 * What a writer makes of a source's content. `prompts` are those that can be known before it writes: the template's wording. `parser`
 * names what reads the completions.
 */
export const proposalKey = (proposal: {
  writer: ModelRef;
  source: unknown;
  prompts: Prompt[];
  template: string;
  parser: string;
  sampling: RoundConfig['sampling'];
  seed: number;
}): string =>
  canonicalDigest({
    writer: modelDigest(proposal.writer),
    source: proposal.source,
    prompts: proposal.prompts,
    template: proposal.template,
    parser: proposal.parser,
    sampling: proposal.sampling,
    seed: proposal.seed,
  });

/** What a writer answers to one prompt. `sampling` holds the seed of this completion. */
export const completionKey = (completion: {
  writer: ModelRef;
  prompt: Prompt;
  sampling: RoundConfig['sampling'] & { seed: number; stop?: string[] };
}): string =>
  canonicalDigest({
    writer: modelDigest(completion.writer),
    prompt: completion.prompt,
    sampling: completion.sampling,
  });

/** A seed below 2^47 from its parts, which the contract's `seed` and a JavaScript number both hold exactly. */
export const deriveSeed = (...parts: (string | number)[]): number =>
  Number(BigInt(`0x${textDigest(JSON.stringify(parts)).slice(0, 12)}`) >> 1n);

const layersOf = (stack: ModelRef['stack']): string[] => stack.map(({ layer }) => layer.sha256);
