import { z } from 'zod';
import { artifactRefSchema, modelRefSchema, sha256Schema } from './artifacts.js';
import { roundConfigSchema } from './config.js';
import { documentVersionSchema } from './document-version.js';
import { decisionRecordSchema, gateResultSchema, gateRulesSchema, gateSpecSchema } from './gates.js';
import { searchAttributeNameSchema } from './names.js';
import { armsSchema, heldOutSchema, retentionNumbersSchema } from './report.js';
import { loadedShardSchema } from './shards.js';
import {
  describeModelRequestSchema,
  describeModelResultSchema,
  trainRequestSchema,
  trainResultSchema,
} from './training.js';
import { evaluationSchema, outcomeCountsSchema, purposeSchema, runSchema, trialResultSchema } from './trials.js';

const roundOnly = z.strictObject({ roundId: z.string().min(1) });
const trialOnly = z.strictObject({ trialId: z.string().min(1) });
const nothing = z.strictObject({});

/** Of a report's warnings, which travel in histories. */
const mostWarnings = 3;
const longestWarning = 700;

/** When a workflow's run began, by its own history: tells a later run from an earlier one. */
const startedAtMs = z.int().nonnegative();

/** Each activity by its name: the queue's side that serves it, its request and its result. One object in, one out. */
export const activityContracts = {
  // selkie — light: the ledger is the only thing they touch
  resumeCampaign: {
    request: z.strictObject({
      campaignId: z.string().min(1),
      /** 0: until stopped */
      rounds: z.int().nonnegative(),
      /** the first round that the campaign would run, as far as it knows itself */
      nextRound: z.int().positive(),
      round: roundConfigSchema.pick({ tenant: true, model: true, policy: true, startStack: true }),
    }),
    result: z.strictObject({
      /** the first round that is not over yet */
      nextRound: z.int().positive(),
      /** what that round starts from */
      startStack: modelRefSchema.shape.stack,
      /** the latest rounds that completed, by number */
      completed: z.array(z.int().positive()).max(20),
    }),
  },
  endOrphans: {
    /** a child of the parent, or all children of a round: cancelled where the parent's run that started it has ended */
    request: z.strictObject({ parentId: z.string().min(1), workflowId: z.string().min(1).optional() }),
    result: nothing,
  },
  endWithParent: {
    /** a child that asks about its own parent; it is cancelled if no run of the parent is running */
    request: z.strictObject({ workflowId: z.string().min(1), parentId: z.string().min(1) }),
    result: nothing,
  },
  claimRound: {
    request: z.strictObject({
      roundId: z.string().min(1),
      configDigest: sha256Schema,
      config: roundConfigSchema,
      startedAtMs,
    }),
    result: z.strictObject({
      /** those that the server has, of those Selkie uses */
      searchAttributes: z.array(searchAttributeNameSchema),
      run: runSchema,
    }),
  },
  prepareRound: {
    request: z.strictObject({ roundId: z.string().min(1), model: describeModelResultSchema }),
    result: z.strictObject({
      old: modelRefSchema,
      corpusDigest: sha256Schema,
      trainSources: z.int().positive(),
      heldOutSources: z.int().nonnegative(),
      questionsA: z.int().positive(),
      questionsB: z.int().positive(),
      canaries: z.int().nonnegative(),
      /** what the person who started the round should know of its corpus: what is left out, what cannot be examined */
      notes: z.array(z.string().max(600)).max(10).default([]),
    }),
  },
  planTrials: {
    request: z.strictObject({ roundId: z.string().min(1), purpose: purposeSchema }),
    /** `skipped` trials are over `maxEditsPerRound`: recorded, not run */
    result: z.strictObject({
      trials: z.int().nonnegative(),
      skipped: z.int().nonnegative(),
      shards: z.int().nonnegative(),
    }),
  },
  loadShard: {
    request: z.strictObject({
      roundId: z.string().min(1),
      purpose: purposeSchema,
      shard: z.int().nonnegative(),
      /** the shard is about to run them: what an earlier run of it left cancelled or lost is opened again; null: others speak for it */
      begins: z.strictObject({ startedAtMs }).nullable().default(null),
    }),
    result: loadedShardSchema,
  },
  recordOutcome: {
    /** `run` is of the trial's shard: an older run's late attempt records nothing */
    request: trialResultSchema.extend({ run: runSchema }),
    /** what the ledger holds: the first write wins */
    result: trialResultSchema,
  },
  selectEdits: {
    request: roundOnly,
    result: z.strictObject({
      selectionDigest: sha256Schema,
      chosen: z.int().nonnegative(),
      sources: z.int().nonnegative(),
      ties: z.int().nonnegative(),
      meanReward: z.number().nullable(),
      bestReward: z.number().nullable(),
    }),
  },
  buildPolicyTraining: {
    request: roundOnly,
    /** null: no pair was chosen, in this round or an earlier one, or `refused` is why nothing is trained */
    result: z.strictObject({
      pairs: z.int().nonnegative(),
      training: trainRequestSchema.nullable(),
      refused: z.string().optional(),
    }),
  },
  recordPolicy: {
    request: z.strictObject({ roundId: z.string().min(1), training: trainResultSchema }),
    result: z.strictObject({ new: modelRefSchema }),
  },
  buildReport: {
    request: roundOnly,
    result: z.strictObject({
      version: documentVersionSchema,
      report: artifactRefSchema,
      /** digest over policy adapter, report and data manifest: what the release gate is bound to */
      releaseDigest: sha256Schema,
      trials: outcomeCountsSchema,
      arms: armsSchema,
      heldOut: heldOutSchema,
      canaries: retentionNumbersSchema,
      /** what a person should know before deciding */
      warnings: z.array(z.string().max(longestWarning)).max(mostWarnings),
      deviceSeconds: z.number().nonnegative(),
      /** markdown table for the Web UI, below 8 KB */
      markdown: z.string().max(8192),
    }),
  },
  openGate: {
    request: gateSpecSchema,
    /** `decided`: how the gate ended before, for good */
    result: z.strictObject({ decided: gateResultSchema.nullable() }),
  },
  recordDecisions: {
    request: z.strictObject({ gateId: z.string().min(1), decisions: z.array(decisionRecordSchema).min(1).max(100) }),
    result: nothing,
  },
  closeGate: {
    request: gateResultSchema,
    /** what the ledger holds: an earlier decision is kept */
    result: gateResultSchema,
  },
  checkRelease: {
    request: roundOnly,
    result: z.strictObject({
      /** why the round's policy cannot be released, whatever is decided; null: it can */
      blocked: z.string().nullable(),
      /** what a release would take the place of; null: nothing is live */
      replaces: z.string().nullable(),
      /** what a gate of the round goes by, were it opened now */
      rules: gateRulesSchema,
    }),
  },
  releasePolicy: {
    request: z.strictObject({ roundId: z.string().min(1), gate: gateResultSchema }),
    result: z.strictObject({
      released: z.boolean(),
      alias: z.string().nullable(),
      reason: z.string(),
      /** open gates of other rounds, which may have nothing to release any more */
      overtaken: z.array(z.string()).max(20),
    }),
  },
  closeRound: {
    request: z.strictObject({
      roundId: z.string().min(1),
      /** of the round: an older run's late attempt closes nothing */
      run: runSchema,
      status: z.enum(['completed', 'failed', 'cancelled']),
      reason: z.string(),
    }),
    result: nothing,
  },
  // selkie-llm — they ask a model server
  checkServer: { request: roundOnly, result: nothing },
  measureBaseline: {
    request: z.strictObject({
      roundId: z.string().min(1),
      learner: z.enum(['old', 'new']),
      /** which `bounds.sourcesPerBaseline` documents; the first part has the canaries and the frozen set as well */
      part: z.int().nonnegative(),
    }),
    /** `asked` went to the model, `cached` were known by (model digest, question, grader) */
    result: z.strictObject({ asked: z.int().nonnegative(), cached: z.int().nonnegative() }),
  },
  proposeSelfEdit: {
    request: trialOnly,
    result: z.discriminatedUnion('status', [
      z.strictObject({
        status: z.literal('proposed'),
        editDigest: sha256Schema,
        examples: z.int().positive(),
        clamps: z.int().nonnegative(),
        training: trainRequestSchema,
      }),
      z.strictObject({ status: z.literal('invalid'), editDigest: sha256Schema.nullable(), reason: z.string() }),
    ]),
  },
  screenSelfEdit: {
    request: trialOnly,
    result: z.strictObject({
      /** `wait`: candidates of the same document that come before this one are still being written */
      verdict: z.enum(['allow', 'block', 'wait']),
      outcome: z.enum(['screened_out', 'duplicate']).nullable(),
      reason: z.string(),
    }),
  },
  evaluateAdapter: {
    request: z.strictObject({ trialId: z.string().min(1), training: trainResultSchema }),
    result: z.discriminatedUnion('status', [
      z.strictObject({ status: z.literal('scored'), evaluation: evaluationSchema }),
      z.strictObject({ status: z.literal('no_effect'), reason: z.string() }),
    ]),
  },
  // selkie-gpu — the Python runner
  describeModel: { request: describeModelRequestSchema, result: describeModelResultSchema },
  trainAdapter: { request: trainRequestSchema, result: trainResultSchema },
} as const;

export type ActivityName = keyof typeof activityContracts;
export type ActivityRequest<N extends ActivityName> = z.infer<(typeof activityContracts)[N]['request']>;
export type ActivityResult<N extends ActivityName> = z.infer<(typeof activityContracts)[N]['result']>;
type Functions<N extends ActivityName> = { [K in N]: (request: ActivityRequest<K>) => Promise<ActivityResult<K>> };

export const llmActivityNames = [
  'checkServer',
  'measureBaseline',
  'proposeSelfEdit',
  'screenSelfEdit',
  'evaluateAdapter',
] as const;
export const gpuActivityNames = ['describeModel', 'trainAdapter'] as const;

export type LlmActivities = Functions<(typeof llmActivityNames)[number]>;
export type GpuActivities = Functions<(typeof gpuActivityNames)[number]>;
export type LedgerActivities = Functions<
  Exclude<ActivityName, (typeof llmActivityNames)[number] | (typeof gpuActivityNames)[number]>
>;
