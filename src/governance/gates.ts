import { utf8ToBytes } from '@noble/hashes/utils.js';
import {
  canonicalDigest,
  decisionMessageSchema,
  gateIdOf,
  type DecisionMessage,
  type DecisionRecord,
  type GateOutcome,
  type GateResult,
  type GateRules,
  type GateSpec,
  type GateView,
} from '../contract/index.js';
import { personOf } from '../lib/person.js';
import { visible, wellFormed } from '../lib/visible.js';

/** A gate as plain JSON. It is bounded: counted decisions, the latest {@link kept} others and malformed messages. */
export interface GateState {
  spec: GateSpec;
  state: 'open' | GateOutcome;
  /** why the gate is closed; empty while it is open */
  reason: string;
  dueAtMs: number;
  closedAtMs: number | null;
  decisions: DecisionRecord[];
  /** decisions of no effect, also those no longer kept */
  uncounted: number;
  malformed: GateView['malformed'];
  /** all of them, also those no longer kept */
  malformedCount: number;
}

export type DecisionSignal = 'approve' | 'reject';

/** What became of one message; `record` is what the ledger keeps, null for a malformed message and for a resend. */
export interface Verdict {
  counted: boolean;
  reason: string;
  record: DecisionRecord | null;
}

export interface Applied {
  gate: GateState;
  verdict: Verdict;
}

/** Uncounted decisions and malformed messages that a gate remembers, of each the latest. */
export const kept = 50;
/** A gate travels through histories and queries, so it keeps the head of a note; the ledger gets all of it. */
const keptNoteLength = 200;
/** Of a view, so that it is below the bound of a payload whatever people send. */
const shown = { decisionBytes: 16 * 1024, uncounted: 10, malformed: 10 };

/** The release gate of a round. Its rules come from the ledger and bind every caller. */
export const releaseGate = (
  roundId: string,
  rules: GateRules,
  { digest, subject }: Pick<GateSpec, 'digest' | 'subject'>,
): GateSpec => ({
  ...rules,
  gateId: gateIdOf(roundId, 'release'),
  roundId,
  kind: 'release',
  subject: wellFormed(subject.slice(0, 500)),
  digest,
});

/** A gate that waits for decisions until `spec.deadlineSeconds` after `nowMs`. */
export function openGate(spec: GateSpec, nowMs: number): GateState {
  return {
    spec,
    state: 'open',
    reason: '',
    dueAtMs: nowMs + spec.deadlineSeconds * 1000,
    closedAtMs: null,
    decisions: [],
    uncounted: 0,
    malformed: [],
    malformedCount: 0,
  };
}

/**
 * One `approve` or `reject` message, whatever it holds. Approvals count up to `spec.needed` distinct approvers. One
 * authorised reject closes the gate, even from an earlier approver. Other messages are recorded and ignored. A message
 * at or after the deadline is late. Never throws.
 */
export function applyDecision(gate: GateState, signal: DecisionSignal, message: unknown, nowMs: number): Applied {
  const current = gate.state === 'open' && nowMs >= gate.dueAtMs ? expireGate(gate, nowMs) : gate;
  const parsed = parseMessage(signal, message);
  if ('malformed' in parsed) {
    const reason = parsed.malformed.slice(0, 200);
    const verdict = { counted: false, reason: `malformed: ${reason}`, record: null };
    return { gate: refuseMessage(current, signal, reason, nowMs), verdict };
  }

  const record: DecisionRecord = {
    approver: parsed.approver,
    decision: signal,
    note: parsed.note ?? null,
    key: recordKey(current.spec, signal, parsed),
    atMs: nowMs,
    counted: false,
    reason: '',
  };
  if (current.decisions.some(({ key }) => key === record.key)) {
    return { gate: current, verdict: { counted: false, reason: 'the same message again', record: null } };
  }
  const objection = decisionObjection(current, signal, parsed);
  return objection === null ? count(current, record) : remember(current, { ...record, reason: objection });
}

/** The deadline has passed: an open gate closes as its spec states, which is never an approval. */
export function expireGate(gate: GateState, nowMs: number): GateState {
  if (gate.state !== 'open') return gate;
  const outcome = gate.spec.onTimeout === 'reject' ? 'rejected' : 'hold';
  return close(gate, outcome, `no decision within ${gate.spec.deadlineSeconds} s`, nowMs);
}

/** What decisions amount to by a gate's rules. A decision that is recorded as counted is judged again. */
export function recount(spec: GateSpec, decisions: readonly DecisionRecord[]): GateState['state'] {
  const { gateId, digest } = spec;
  const counted = decisions.filter((decision) => decision.counted);
  // a veto wins in whatever order they were recorded
  const ordered = [...counted].sort((a, b) => Number(b.decision === 'reject') - Number(a.decision === 'reject'));
  let gate = openGate(spec, 0);
  for (const { approver, decision, key } of ordered) {
    gate = applyDecision(gate, decision, { gateId, digest, approver, key }, 0).gate;
  }
  return gate.state;
}

/** What the `gates` query shows; `blocked` is why nothing can be released any more. */
export function gateView(gate: GateState, blocked: string | null = null): GateView {
  const { spec, state, reason, dueAtMs, uncounted, malformedCount } = gate;
  const counted = gate.decisions.filter((decision) => decision.counted);
  const others = gate.decisions.filter((decision) => !decision.counted).slice(-shown.uncounted);
  const fitting = new Set(asManyAsFit([...counted, ...others.reverse()], shown.decisionBytes));
  return {
    spec,
    state,
    reason,
    dueAtMs,
    blocked,
    approvals: counted.filter(({ decision }) => decision === 'approve').length,
    decisions: gate.decisions.filter((decision) => fitting.has(decision)),
    uncounted,
    malformed: gate.malformed.slice(-shown.malformed),
    malformedCount,
  };
}

/** The leading items whose JSON fits in `bytes` together. */
export function asManyAsFit<T>(items: readonly T[], bytes: number): T[] {
  let left = bytes;
  const end = items.findIndex((item) => (left -= utf8ToBytes(JSON.stringify(item)).length) < 0);
  return items.slice(0, end < 0 ? items.length : end);
}

/** How the gate ended. A gate that is still open (its workflow was cancelled) is on hold. */
export function gateResult(gate: GateState): GateResult {
  return {
    gateId: gate.spec.gateId,
    digest: gate.spec.digest,
    outcome: gate.state === 'open' ? 'hold' : gate.state,
    reason: gate.state === 'open' ? 'the gate was left before a decision' : gate.reason,
    decisions: gate.decisions.filter((decision) => decision.counted),
    uncounted: gate.uncounted,
    malformed: gate.malformedCount,
  };
}

/** A gate that had ended before it was opened, as the ledger knows it. */
export function endedGate(
  gate: GateState,
  { outcome, reason, decisions, uncounted, malformed }: GateResult,
): GateState {
  return { ...gate, state: outcome, reason, decisions, uncounted, malformed: [], malformedCount: malformed };
}

function parseMessage(signal: DecisionSignal, message: unknown): DecisionMessage | { malformed: string } {
  try {
    const parsed = decisionMessageSchema.safeParse(message);
    if (!parsed.success) {
      return { malformed: parsed.error.issues.map((i) => `${i.path.join('.') || 'message'}: ${i.message}`).join('; ') };
    }
    const { decision, approver } = parsed.data;
    if (decision !== undefined && decision !== signal) {
      return { malformed: `decision: says "${decision}", but was sent with the signal "${signal}"` };
    }
    if (personOf(approver) === '') return { malformed: 'approver: has no visible character' };
    return parsed.data;
  } catch {
    // a getter or a proxy may throw whatever it likes
    return { malformed: 'message: cannot be read' };
  }
}

/**
 * The key of the record that a message becomes. Two messages with one key are the same message. The key that a sender
 * chose is scoped by approver, signal and what is decided on: it cannot shadow another person's vote, a resend cannot
 * shadow a veto, and a decision on a stale digest cannot shadow a later one on this gate's digest.
 */
export function recordKey(
  spec: GateSpec,
  signal: DecisionSignal,
  { approver, key, gateId, digest }: DecisionMessage,
): string {
  const about = gateId === spec.gateId && digest === spec.digest ? null : { gateId, digest };
  return canonicalDigest({ signal, approver, key: key ?? null, about }).slice(0, 32);
}

/** Why a decision that a gate can read has no effect; null: it counts. */
export function decisionObjection(gate: GateState, signal: DecisionSignal, message: DecisionMessage): string | null {
  const { spec } = gate;
  const person = personOf(message.approver);
  if (message.gateId !== spec.gateId) return `for another gate: ${Array.from(message.gateId).slice(0, 100).join('')}`;
  if (message.digest !== spec.digest) return `for another content: ${message.digest.slice(0, 12)}`;
  if (gate.state !== 'open') return `late: the gate is closed (${gate.state})`;
  if (spec.trust === 'signed') return 'not signed, and only signed decisions count here';
  if (spec.approvers.length > 0 && !spec.approvers.some((name) => personOf(name) === person)) {
    return 'not among those who may decide';
  }
  if (signal === 'reject') return null;
  if (!spec.requesterMayApprove && person === personOf(spec.requestedBy)) return 'nobody approves what they requested';
  if (gate.decisions.some(({ counted, approver }) => counted && personOf(approver) === person)) {
    return 'has approved already';
  }
  return null;
}

function count(gate: GateState, record: DecisionRecord): Applied {
  const { needed } = gate.spec;
  if (record.decision === 'reject') {
    const { gate: next, verdict } = remember(gate, { ...record, counted: true, reason: 'a reject is a veto' });
    return {
      gate: close(next, 'rejected', `rejected by ${visible(record.approver)}`.slice(0, 300), record.atMs),
      verdict,
    };
  }
  const approvals = gate.decisions.filter(({ counted }) => counted).length + 1;
  const { gate: next, verdict } = remember(gate, { ...record, counted: true, reason: `${approvals} of ${needed}` });
  if (approvals < needed) return { gate: next, verdict };
  const names = next.decisions.filter(({ counted }) => counted).map(({ approver }) => visible(approver));
  return { gate: close(next, 'approved', `approved by ${names.join(', ')}`.slice(0, 300), record.atMs), verdict };
}

/** Adds a record; where there are too many, the oldest of those without effect goes. */
function remember(gate: GateState, record: DecisionRecord): Applied {
  const decisions = [...gate.decisions, { ...record, note: record.note?.slice(0, keptNoteLength) ?? null }];
  const uncounted = decisions.filter(({ counted }) => !counted);
  const gone = uncounted.length > kept ? uncounted[0] : undefined;
  return {
    gate: {
      ...gate,
      decisions: decisions.filter((d) => d !== gone),
      uncounted: gate.uncounted + (record.counted ? 0 : 1),
    },
    verdict: { counted: record.counted, reason: record.reason, record },
  };
}

/** Counts a message that cannot be used. */
export function refuseMessage(gate: GateState, signal: DecisionSignal, why: string, atMs: number): GateState {
  const malformed = [...gate.malformed, { atMs, signal, reason: why.slice(0, 200) }].slice(-kept);
  return { ...gate, malformed, malformedCount: gate.malformedCount + 1 };
}

function close(gate: GateState, state: GateOutcome, reason: string, nowMs: number): GateState {
  return { ...gate, state, reason, closedAtMs: nowMs };
}
