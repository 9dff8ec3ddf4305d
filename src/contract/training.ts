import { z } from 'zod';
import { adapterRefSchema, artifactRefSchema, modelRefSchema, sha256Schema } from './artifacts.js';
import { recipeSchema } from './recipe.js';

/** One training on the gpu-runner: a new layer above `stack` on the frozen base. */
export const trainRequestSchema = z.strictObject({
  /** digest over base, stack, dataset, replay, recipe and seed, and nothing else: what makes a training the same training */
  trainingKey: sha256Schema,
  base: z.string().min(1),
  baseDigest: sha256Schema,
  stack: modelRefSchema.shape.stack,
  dataset: artifactRefSchema,
  /** rows of a second dataset, `ratio` of them for each row of the first; they add no steps */
  replay: z.strictObject({ dataset: artifactRefSchema, ratio: z.number().positive().max(4) }).nullish(),
  recipe: recipeSchema,
  seed: z
    .int()
    .min(0)
    .max(2 ** 48),
  tenant: z.string().min(1),
  maxDeviceSeconds: z.number().positive(),
});
export type TrainRequest = z.infer<typeof trainRequestSchema>;

export const trainResultSchema = z.strictObject({
  trainingKey: sha256Schema,
  adapter: adapterRefSchema,
  steps: z.int().nonnegative(),
  /** real tokens seen, all steps added up */
  tokens: z.int().nonnegative(),
  finalLoss: z.number().nullable(),
  /** Frobenius norm of the whole weight update; 0 means that the adapter changes nothing */
  updateNorm: z.number().nonnegative(),
  /** seconds in which the device worked for this training, over all attempts */
  deviceSeconds: z.number().nonnegative(),
  /** `simulated` computes nothing: its results are drawn at random and are no evidence about any model */
  engine: z.enum(['solo', 'batched', 'simulated']),
  /** the step that the publishing attempt began at; above 0 when it resumed from a checkpoint */
  resumedFromStep: z.int().nonnegative(),
});
export type TrainResult = z.infer<typeof trainResultSchema>;

/** The details of a training's failure, where the device had worked for it. */
export const trainFailureSchema = z.strictObject({
  /** over all attempts */
  deviceSeconds: z.number().nonnegative(),
});

/** Heartbeat details of a training, below 1 KB: they live in the server's mutable state. */
export const trainHeartbeatSchema = z.strictObject({
  phase: z.enum(['waiting', 'preparing', 'training', 'exporting']),
  step: z.int().nonnegative(),
  totalSteps: z.int().nonnegative(),
  loss: z.number().nullable(),
  /** the last step that a checkpoint holds; 0: none */
  checkpoint: z.int().nonnegative(),
});
export type TrainHeartbeat = z.infer<typeof trainHeartbeatSchema>;

/** What the runner reports of a model in its registry. */
export const describeModelRequestSchema = z.strictObject({ model: z.string().min(1) });
export type DescribeModelRequest = z.infer<typeof describeModelRequestSchema>;
export const describeModelResultSchema = z.strictObject({
  model: z.string().min(1),
  digest: sha256Schema,
  parameters: z.int().positive(),
  dtype: z.string().min(1),
  device: z.string().min(1),
  chat: z.boolean(),
  maxLength: z.int().positive(),
});
export type DescribeModelResult = z.infer<typeof describeModelResultSchema>;
