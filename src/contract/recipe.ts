import { z } from 'zod';

/**
 * How one adapter is trained. `reference` padding runs every row at `maxLength` positions and takes the loss on the
 * padding, as SEAL's server does; `mask` runs real tokens only.
 */
export const recipeSchema = z.strictObject({
  rank: z.int().min(1).max(256),
  alpha: z.number().positive().max(1024),
  targets: z.enum(['qv', 'all-linear']),
  learningRate: z.number().positive().max(0.1),
  schedule: z.enum(['linear', 'constant', 'cosine']),
  epochs: z.int().min(1).max(100),
  batchSize: z.int().min(1).max(64),
  /** 0: no cap */
  maxSteps: z.int().min(0).max(100_000),
  maxLength: z.int().min(8).max(8192),
  maxGradNorm: z.number().nonnegative(),
  weightDecay: z.number().nonnegative(),
  lossOnPadding: z.enum(['mask', 'reference']),
  appendEos: z.boolean(),
  /** the layers up to this share of the model's depth, from the bottom, get no adapter; left out: every layer gets one */
  frozenBelow: z.number().min(0).lt(1).optional(),
});
export type Recipe = z.infer<typeof recipeSchema>;

/** SEAL's inner loop (arXiv 2506.10943, §4 and its training server): PEFT defaults target q and v. */
const seal: Recipe = {
  rank: 32,
  alpha: 64,
  targets: 'qv',
  learningRate: 1e-3,
  schedule: 'linear',
  epochs: 10,
  batchSize: 1,
  maxSteps: 0,
  maxLength: 2048,
  maxGradNorm: 1,
  weightDecay: 0,
  lossOnPadding: 'mask',
  appendEos: true,
};

export const recipePresets = {
  seal,
  'seal-reference': { ...seal, lossOnPadding: 'reference', appendEos: false },
  /** for a model of 135 M parameters on a CPU; its upper third learns as much as all of it, in well under half the time */
  small: {
    ...seal,
    rank: 16,
    targets: 'all-linear',
    learningRate: 1.5e-3,
    frozenBelow: 0.667,
    epochs: 32,
    maxSteps: 32,
    maxLength: 512,
  },
  /** the same on all rows of a document, of which there are several times as many as in one edit */
  'small-document': {
    ...seal,
    rank: 16,
    targets: 'all-linear',
    frozenBelow: 0.667,
    epochs: 100,
    batchSize: 4,
    maxSteps: 48,
    maxLength: 512,
  },
  /** SEAL's supervised step on the chosen pairs */
  policy: {
    ...seal,
    rank: 64,
    alpha: 128,
    targets: 'all-linear',
    learningRate: 3e-4,
    epochs: 2,
    batchSize: 4,
    maxLength: 1024,
  },
  /** the same for a model of 135 M parameters: a new learner is served with both layers' ranks added up */
  'small-policy': {
    ...seal,
    rank: 16,
    alpha: 32,
    targets: 'all-linear',
    frozenBelow: 0.667,
    epochs: 2,
    batchSize: 4,
    maxLength: 1024,
  },
} as const satisfies Record<string, Recipe>;
export type RecipePreset = keyof typeof recipePresets;

/**
 * What a line of a dataset may be. The loss is on all of `text`; on `completion` only; on the last (assistant) message
 * only, rendered with the model's chat template.
 */
export const messageSchema = z.strictObject({ role: z.enum(['system', 'user', 'assistant']), content: z.string() });
export type Message = z.infer<typeof messageSchema>;
/** Multiplies the loss of its line; 1 where it is absent. */
const weight = z.number().optional();
/**
 * The learner's own predictions, with another prompt than the line's, are what the completion is trained towards: the document
 * before a question, or the line's own prompt, which keeps what the learner knows. `labelShare`: the share of the completion's own
 * tokens in each target.
 */
const teacher = z
  .strictObject({ prompt: z.string().min(1), labelShare: z.number().min(0).max(1).optional() })
  .nullish();
export const exampleSchema = z.union([
  z.strictObject({ text: z.string().min(1), weight }),
  z.strictObject({ prompt: z.string(), completion: z.string().min(1), weight, teacher }),
  z.strictObject({ messages: z.array(messageSchema).min(2), weight }),
]);
export type Example = z.infer<typeof exampleSchema>;

/** What is asked of a model: text for a base model, messages for a chat model. */
export type Prompt = { kind: 'text'; text: string } | { kind: 'chat'; messages: Message[] };
