import { z } from 'zod';
import { armsSchema, heldOutSchema } from './activities.js';
import { adapterRefSchema, artifactRefSchema, modelRefSchema, sha256Schema } from './artifacts.js';
import { gateOutcomeSchema } from './gates.js';
import { outcomeCountsSchema, phaseSchema } from './trials.js';

export const shardInputSchema = z.strictObject({
  roundId: z.string().min(1),
  phase: phaseSchema,
  shard: z.int().nonnegative(),
  window: z.int().positive(),
});
export type ShardInput = z.infer<typeof shardInputSchema>;

export const shardResultSchema = z.strictObject({
  outcomes: outcomeCountsSchema,
  deviceSeconds: z.number().nonnegative(),
});
export type ShardResult = z.infer<typeof shardResultSchema>;

export const roundResultSchema = z.strictObject({
  roundId: z.string(),
  trials: outcomeCountsSchema,
  selected: z.int().nonnegative(),
  /** the policy that the round trained, released or not */
  policy: z
    .strictObject({ adapter: adapterRefSchema, pairs: z.int().nonnegative(), trainingKey: sha256Schema })
    .nullable(),
  gate: gateOutcomeSchema.nullable(),
  released: z.boolean(),
  releaseReason: z.string(),
  heldOut: heldOutSchema,
  arms: armsSchema,
  deviceSeconds: z.number().nonnegative(),
  report: artifactRefSchema,
});
export type RoundResult = z.infer<typeof roundResultSchema>;

export const roundPhases = [
  'preparing',
  'trials',
  'selecting',
  'policy',
  'confirming',
  'examining',
  'gate',
  'releasing',
  'done',
] as const;

/** What the `status` query of a round answers. */
export const roundStatusSchema = z.strictObject({
  roundId: z.string(),
  phase: z.enum(roundPhases),
  paused: z.boolean(),
  stopping: z.boolean(),
  model: modelRefSchema.nullable(),
  /** trials of the phase under way */
  trials: z.strictObject({ planned: z.int(), done: z.int(), outcomes: outcomeCountsSchema }),
  deviceSeconds: z.number(),
  caps: z.strictObject({ maxEditsPerRound: z.int(), maxStepsPerTrial: z.int(), maxDeviceSeconds: z.number() }),
  selected: z.int().nullable(),
  bestReward: z.number().nullable(),
  gateId: z.string().nullable(),
  /** messages that no gate could use */
  rejectedMessages: z.array(z.strictObject({ atMs: z.number(), signal: z.string(), reason: z.string() })),
});
export type RoundStatus = z.infer<typeof roundStatusSchema>;

export const campaignResultSchema = z.strictObject({ rounds: z.array(z.string()), stopped: z.boolean() });
export type CampaignResult = z.infer<typeof campaignResultSchema>;
