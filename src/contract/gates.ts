import { z } from 'zod';
import { sha256Schema } from './artifacts.js';
import { personOf } from '../lib/person.js';
import { hasControls } from '../lib/visible.js';

/** Milliseconds that a date can be made of: any other number is no time. */
const timeSchema = z.int().min(0).max(8.64e15);

/** A name or an id from outside, of characters that can be shown and searched for. */
const plainText = (longest: number) =>
  z
    .string()
    .min(1, 'is empty')
    .max(longest, `is longer than ${longest} characters`)
    .refine((text) => !hasControls(text), 'has control characters or half of a surrogate pair');

/** A year: a longer wait is a mistake, and what is added to the time must be a time. */
const waitSchema = z.int().min(1).max(31_536_000);
const onTimeoutSchema = z.enum(['reject', 'hold']);

/** What a tenant's gates go by, whatever a round asks for: a round may be stricter, never laxer. */
export const tenantPolicySchema = z.strictObject({
  /** approvals that a gate needs at least */
  needed: z.int().min(1).max(20).default(1),
  /** who may decide; empty: anybody */
  approvers: z.array(z.string().min(1).max(200)).max(100).default([]),
  requesterMayApprove: z.boolean().default(false),
  /** the longest that a gate waits */
  deadlineSeconds: waitSchema.default(31_536_000),
  /** what happens at the deadline; never an approval */
  onTimeout: onTimeoutSchema.default('hold'),
  /** whether unsigned decisions count */
  trust: z.enum(['signed', 'unsigned']),
});
export type TenantPolicy = z.infer<typeof tenantPolicySchema>;

/** The rules of one gate: a snapshot of the tenant's policy, made stricter where the round asks for it. */
export const gateRulesSchema = tenantPolicySchema.extend({
  needed: z.int().min(1).max(20),
  /** empty: anybody but the requester */
  approvers: z.array(z.string().max(200)).max(100),
  requestedBy: z.string().max(200),
  requesterMayApprove: z.boolean(),
  deadlineSeconds: waitSchema,
  onTimeout: onTimeoutSchema,
  /** of the tenant's policy; 0: the tenant has none in the ledger */
  policyVersion: z.int().nonnegative(),
});
export type GateRules = z.infer<typeof gateRulesSchema>;

/** What a gate decides on and how. The digest binds a decision to the content that was looked at. */
export const gateSpecSchema = gateRulesSchema.extend({
  gateId: z.string().min(1).max(1000),
  roundId: z.string().min(1).max(1000),
  kind: z.enum(['release']),
  /** a sentence for people: what is decided */
  subject: z.string().max(500),
  /** digest over policy adapter, evaluation report and data manifest */
  digest: sha256Schema,
});
export type GateSpec = z.infer<typeof gateSpecSchema>;

/**
 * What a person or a bot sends with `approve` or `reject`; `decision` may be left out, the signal's name implies it.
 */
export const decisionMessageSchema = z.strictObject({
  gateId: plainText(1000),
  digest: sha256Schema,
  decision: z.enum(['approve', 'reject']).optional(),
  approver: plainText(200),
  note: z.string().max(2000, 'is longer than 2000 characters').optional(),
  /** makes a resend the same message */
  key: plainText(200).optional(),
});
export type DecisionMessage = z.infer<typeof decisionMessageSchema>;

export const gateOutcomeSchema = z.enum(['approved', 'rejected', 'hold']);
export type GateOutcome = z.infer<typeof gateOutcomeSchema>;

export const decisionRecordSchema = z.strictObject({
  approver: z.string(),
  decision: z.enum(['approve', 'reject']),
  note: z.string().nullable(),
  key: z.string(),
  atMs: timeSchema,
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
  /** those that counted */
  decisions: z.array(decisionRecordSchema),
  /** messages of no effect; the ledger has the first hundreds of them */
  uncounted: z.int().nonnegative().default(0),
  /** messages that did not parse */
  malformed: z.int().nonnegative(),
});
export type GateResult = z.infer<typeof gateResultSchema>;

/** What the `gates` query answers, for each gate of the round. */
export const gateViewSchema = z.strictObject({
  spec: gateSpecSchema,
  state: z.enum(['open', 'approved', 'rejected', 'hold']),
  /** why the gate is closed; empty while it is open */
  reason: z.string(),
  dueAtMs: timeSchema,
  /** why nothing can be released any more, whatever is decided; null: as far as the gate knows it can */
  blocked: z.string().nullable(),
  /** approvals that counted */
  approvals: z.int().nonnegative(),
  /** those that counted and the latest others, as many as fit; a round knows of them once its gate is closed */
  decisions: z.array(decisionRecordSchema),
  /** decisions of no effect, all of them */
  uncounted: z.int().nonnegative(),
  /** the latest messages that did not parse */
  malformed: z.array(z.strictObject({ atMs: timeSchema, signal: z.string(), reason: z.string() })),
  malformedCount: z.int().nonnegative(),
});
export type GateView = z.infer<typeof gateViewSchema>;

/** Characters of all approvers' names together: a gate's spec travels with every view of it. */
const approversLength = 2000;

/** Why no decisions could ever satisfy a gate, in words; checked before anything is spent. */
export function gateProblems(
  {
    needed,
    approvers,
    requesterMayApprove = false,
  }: { needed: number; approvers: readonly string[]; requesterMayApprove?: boolean },
  requestedBy: string,
): string[] {
  const requester = personOf(requestedBy);
  const people = new Set(approvers.map(personOf));
  if (!requesterMayApprove) people.delete(requester);
  const problems: string[] = [];
  if (requester === '') problems.push('requestedBy: has no visible character');
  if (people.has('')) problems.push('gate.approvers: a name has no visible character');
  if (approvers.length > 0 && people.size < needed) {
    problems.push(
      `gate.approvers: ${needed} approvals are needed, and the names are of ${people.size} ` +
        `${people.size === 1 ? 'person' : 'people'} who may give one (case, spaces and invisible characters make nobody ` +
        `a second person${requesterMayApprove ? '' : ', and nobody approves what they requested'})`,
    );
  }
  if (approvers.join('').length > approversLength) {
    problems.push(`gate.approvers: the names have more than ${approversLength} characters together`);
  }
  return problems;
}
