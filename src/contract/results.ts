import { z } from 'zod';
import { adapterRefSchema, artifactRefSchema, modelRefSchema, sha256Schema } from './artifacts.js';
import { profilesSchema, type RoundConfig } from './config.js';
import { documentVersionSchema } from './document-version.js';
import { gateOutcomeSchema, gateSpecSchema } from './gates.js';
import { llmQueueOf, searchAttributeNameSchema, taskQueues } from './names.js';
import { armsSchema, heldOutSchema, retentionNumbersSchema } from './report.js';
import { shardResultSchema, trialTaskSchema } from './shards.js';
import { outcomeCountsSchema, purposeSchema } from './trials.js';

/** What a round passes to each of its children, apart from their task. */
export const runSettingsSchema = z.strictObject({
  /** a name, which is the key of its fair share of a queue too */
  tenant: z.string().min(1).max(40),
  profiles: profilesSchema,
  gpuQueue: z.string().min(1).default(taskQueues.gpu),
  llmQueue: z.string().min(1).default(taskQueues.llm),
  /** those that the server has; an upsert of any other would wedge the workflow */
  searchAttributes: z.array(searchAttributeNameSchema),
});
export type RunSettings = z.infer<typeof runSettingsSchema>;

/** The settings that a config holds; the search attributes that exist come from the server. */
export const runSettingsOf = ({ tenant, model, profiles, gpuQueue, llmQueue }: RoundConfig): RunSettings => ({
  tenant,
  profiles,
  gpuQueue,
  llmQueue: llmQueue ?? llmQueueOf(model),
  searchAttributes: [],
});

export const shardInputSchema = z.strictObject({
  roundId: z.string().min(1),
  purpose: purposeSchema,
  shard: z.int().nonnegative(),
  window: z.int().positive(),
  /** trials between two progress reports to the round, which must not receive too many signals */
  reportEvery: z.int().positive(),
  /** the round was stopped before this shard began: every trial is recorded as `skipped` */
  stopped: z.boolean(),
  /** with a larger share of `infra_failure` the shard ends early, and fails */
  maxFailedFraction: z.number(),
  settings: runSettingsSchema,
});
export type ShardInput = z.infer<typeof shardInputSchema>;

/** What a parent wants of its children. Signals may overtake each other: the one of the highest `order` is the latest. */
export const steerSchema = z.strictObject({ order: z.int().positive(), paused: z.boolean(), stopping: z.boolean() });
export type Steer = z.infer<typeof steerSchema>;

/** What a shard tells its round while it works: its result so far. */
export const shardProgressSchema = z.strictObject({
  purpose: purposeSchema,
  shard: z.int().nonnegative(),
  soFar: shardResultSchema,
});
export type ShardProgress = z.infer<typeof shardProgressSchema>;

export const trialInputSchema = z.strictObject({ trial: trialTaskSchema, settings: runSettingsSchema });
export type TrialInput = z.infer<typeof trialInputSchema>;

export const gateInputSchema = z.strictObject({ spec: gateSpecSchema, settings: runSettingsSchema });
export type GateInput = z.infer<typeof gateInputSchema>;

export const roundResultSchema = z.strictObject({
  version: documentVersionSchema,
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
  canaries: retentionNumbersSchema,
  warnings: z.array(z.string()),
  arms: armsSchema,
  deviceSeconds: z.number().nonnegative(),
  report: artifactRefSchema,
});
export type RoundResult = z.infer<typeof roundResultSchema>;

export const roundStages = [
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
export const roundStageSchema = z.enum(roundStages);
export type RoundStage = z.infer<typeof roundStageSchema>;

/** What the `status` query of a round answers. */
export const roundStatusSchema = z.strictObject({
  roundId: z.string(),
  stage: roundStageSchema,
  paused: z.boolean(),
  stopping: z.boolean(),
  model: modelRefSchema.nullable(),
  /** trials of the purpose under way */
  trials: z.strictObject({ planned: z.int(), done: z.int(), outcomes: outcomeCountsSchema }),
  deviceSeconds: z.number(),
  caps: z.strictObject({
    maxEditsPerRound: z.int(),
    maxStepsPerTrial: z.int(),
    maxDeviceSeconds: z.number(),
    maxPolicyDeviceSeconds: z.number(),
  }),
  selected: z.int().nullable(),
  bestReward: z.number().nullable(),
  /** what the policies answered of general knowledge, once there is a report */
  canaries: retentionNumbersSchema.nullable(),
  gateId: z.string().nullable(),
  /** what went wrong without ending anything, and what a person should know before deciding */
  warnings: z.array(z.string()),
  /** once it is written */
  report: artifactRefSchema.nullable(),
  /** messages that no gate could use */
  rejectedMessages: z.array(z.strictObject({ atMs: z.number(), signal: z.string(), reason: z.string() })),
});
export type RoundStatus = z.infer<typeof roundStatusSchema>;

/** What the `status` query of a campaign answers. */
export const campaignStatusSchema = z.strictObject({
  campaignId: z.string(),
  /** the round under way */
  roundId: z.string(),
  round: z.int().positive(),
  /** 0: until stopped */
  totalRounds: z.int().nonnegative(),
  paused: z.boolean(),
  stopping: z.boolean(),
  /** layers of the policy that the round starts from */
  policyLayers: z.int().nonnegative(),
  /** why the round's last run failed, while it waits to be run again */
  waitingAfter: z.string().nullable(),
});
export type CampaignStatus = z.infer<typeof campaignStatusSchema>;

/** `rounds`: the latest 20 that completed; the ledger knows all. */
export const campaignResultSchema = z.strictObject({ rounds: z.array(z.string()), stopped: z.boolean() });
export type CampaignResult = z.infer<typeof campaignResultSchema>;
