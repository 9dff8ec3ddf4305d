import { z } from 'zod';
import { adapterRefSchema, sha256Schema } from './artifacts.js';
import { documentVersionSchema } from './document-version.js';

/** How a trial ended; a failure is never a score of 0. Only `infra_failure` counts towards `maxFailedFraction`. */
export const outcomes = [
  'scored',
  'no_effect',
  'diverged',
  'invalid_edit',
  'screened_out',
  'rejected',
  'duplicate',
  'stopped_early',
  'skipped',
  'cancelled',
  'infra_failure',
  'judge_unknown',
] as const;
export const outcomeSchema = z.enum(outcomes);
export type Outcome = z.infer<typeof outcomeSchema>;

/** Why a trial is run: a name of the experiment's design, such as a round's `edits` or `confirm`. Part of workflow ids. */
export const purposeSchema = z.string().regex(/^[a-z]{1,10}$/);
export type Purpose = z.infer<typeof purposeSchema>;

/** `old`: the policy that the round started from; `new`: the one it trained. */
export const policyVersionSchema = z.enum(['old', 'new']);
export type PolicyVersion = z.infer<typeof policyVersionSchema>;

/** What an adapter is asked. */
export const asksSchema = z.object({
  /** from memory, or with the document in the prompt */
  mode: z.enum(['closedBook', 'inContext']),
  /** about the trial's document */
  splits: z.array(z.enum(['A', 'B'])),
  /** questions B of the next training document, which it cannot know */
  otherSource: z.boolean(),
  canaries: z.boolean(),
});
export type Asks = z.infer<typeof asksSchema>;

export const trialSpecSchema = z.object({
  version: documentVersionSchema,
  trialId: z.string().min(1),
  roundId: z.string().min(1),
  purpose: purposeSchema,
  /** position in the purpose */
  index: z.int().nonnegative(),
  sourceId: z.string().min(1),
  edit: z.discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('propose'),
      writer: policyVersionSchema,
      template: z.string().min(1).max(40),
      seed: z.int(),
    }),
    /** the edit that another trial proposed */
    z.strictObject({ kind: z.literal('reuse'), trialId: z.string().min(1) }),
    /** the source alone; `matchedTo`: as many tokens as that purpose's edits of the source have */
    z.strictObject({ kind: z.literal('passage'), matchedTo: purposeSchema.nullable() }),
    /** the rows of all edits of the source that a purpose proposed, merged by the domain */
    z.strictObject({ kind: z.literal('merged'), of: purposeSchema }),
    /** the rows that the domain makes of the source by rule: no model writes them */
    z.strictObject({ kind: z.literal('rules') }),
  ]),
  /** which of the round's recipes: that of one edit, or that of all rows of a document */
  recipe: z.enum(['edit', 'document']),
  learner: policyVersionSchema,
  repeat: z.int().nonnegative(),
  trainingSeed: z.int().nonnegative(),
  asks: asksSchema,
});
export type TrialSpec = z.infer<typeof trialSpecSchema>;

/** What one answer scores, by the names of its domain's components; null where there is no such number. */
export const componentsSchema = z.record(z.string().min(1).max(40), z.number().nullable());
export type Components = z.infer<typeof componentsSchema>;

/** The component of every domain: of a right answer, the mean per token; null where the model server gives none. */
export const likelihoodComponent = 'logLikelihood';

/** Means over the questions asked, by component. One missing number makes a mean null. */
export const scoresSchema = z.strictObject({ questions: z.int().nonnegative(), means: componentsSchema });
export type Scores = z.infer<typeof scoresSchema>;

/** `total = gain − penalty`; the gain is over the learner's own closed-book baseline on questions A. */
export const rewardSchema = z.strictObject({ gain: z.number(), penalty: z.number(), total: z.number() });
export type Reward = z.infer<typeof rewardSchema>;

export const evaluationSchema = z.strictObject({
  /** null where a part was not asked */
  a: scoresSchema.nullable(),
  b: scoresSchema.nullable(),
  otherSource: scoresSchema.nullable(),
  canaries: z.strictObject({ asked: z.int().nonnegative(), lost: z.int().nonnegative() }).nullable(),
  reward: rewardSchema.nullable(),
});
export type Evaluation = z.infer<typeof evaluationSchema>;

const longestReason = 2000;

/** What a trial's workflow hands to `recordOutcome` and returns: a few numbers and ids. */
export const trialResultSchema = z.strictObject({
  version: documentVersionSchema,
  trialId: z.string().min(1),
  outcome: outcomeSchema,
  reason: z.string().max(longestReason),
  editDigest: sha256Schema.nullable(),
  trainingKey: sha256Schema.nullable(),
  adapter: adapterRefSchema.nullable(),
  /** 0 for a training that was done before */
  deviceSeconds: z.number().nonnegative(),
  /** the training was done before, for another trial, by the ledger's record */
  reused: z.boolean(),
  steps: z.int().nonnegative(),
  evaluation: evaluationSchema.nullable(),
});
export type TrialResult = z.infer<typeof trialResultSchema>;

/** The trial's result with this outcome, and with all that is known of it. */
export const outcomeAs = (known: TrialResult, outcome: Outcome, reason: string): TrialResult => ({
  ...known,
  outcome,
  reason: reason.slice(0, longestReason),
});

/** How a trial ended of which nothing else is known. */
export const emptyResult = (trialId: string, outcome: Outcome, reason: string): TrialResult =>
  outcomeAs(
    {
      version: 1,
      trialId,
      outcome,
      reason,
      editDigest: null,
      trainingKey: null,
      adapter: null,
      deviceSeconds: 0,
      reused: false,
      steps: 0,
      evaluation: null,
    },
    outcome,
    reason,
  );

/** The number of a round's or a shard's run, which grows each time its workflow starts again; 0 before the first. */
export const runSchema = z.int().nonnegative();

export const outcomeCountsSchema = z.partialRecord(outcomeSchema, z.int().nonnegative());
export type OutcomeCounts = z.infer<typeof outcomeCountsSchema>;
