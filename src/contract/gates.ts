import { z } from 'zod';
import { sha256Schema } from './artifacts.js';

/** What a gate decides on and how. The digest binds a decision to the content that was looked at. */
export const gateSpecSchema = z.strictObject({
  gateId: z.string().min(1),
  roundId: z.string().min(1),
  kind: z.enum(['release']),
  /** a sentence for people: what is decided */
  subject: z.string().max(500),
  /** digest over policy adapter, evaluation report and data manifest */
  digest: sha256Schema,
  needed: z.int().min(1),
  /** empty: anybody but the requester */
  approvers: z.array(z.string()),
  requestedBy: z.string(),
  deadlineSeconds: z.int().min(1),
  onTimeout: z.enum(['reject', 'hold']),
});
export type GateSpec = z.infer<typeof gateSpecSchema>;

/** What a person or a bot sends with `approve` or `reject`; `decision` may be left out, the signal's name says it. */
export const decisionMessageSchema = z.strictObject({
  gateId: z.string().min(1),
  digest: sha256Schema,
  decision: z.enum(['approve', 'reject']).optional(),
  approver: z.string().min(1).max(200),
  note: z.string().max(2000).optional(),
  /** makes a resend the same message */
  key: z.string().min(1).max(200).optional(),
});
export type DecisionMessage = z.infer<typeof decisionMessageSchema>;

export const gateOutcomeSchema = z.enum(['approved', 'rejected', 'hold']);
export type GateOutcome = z.infer<typeof gateOutcomeSchema>;

export const decisionRecordSchema = z.strictObject({
  approver: z.string(),
  decision: z.enum(['approve', 'reject']),
  note: z.string().nullable(),
  key: z.string(),
  atMs: z.number(),
  /** false: recorded but of no effect, for the reason given */
  counted: z.boolean(),
  reason: z.string(),
});
export type DecisionRecord = z.infer<typeof decisionRecordSchema>;

export const gateResultSchema = z.strictObject({
  gateId: z.string(),
  digest: sha256Schema,
  outcome: gateOutcomeSchema,
  reason: z.string(),
  decisions: z.array(decisionRecordSchema),
  /** messages that did not parse */
  malformed: z.int().nonnegative(),
});
export type GateResult = z.infer<typeof gateResultSchema>;

/** What the `gates` query answers, for each gate of the round. */
export const gateViewSchema = z.strictObject({
  spec: gateSpecSchema,
  state: z.enum(['open', 'approved', 'rejected', 'hold']),
  dueAtMs: z.number(),
  decisions: z.array(decisionRecordSchema),
  malformed: z.array(z.strictObject({ atMs: z.number(), signal: z.string(), reason: z.string() })),
});
export type GateView = z.infer<typeof gateViewSchema>;
