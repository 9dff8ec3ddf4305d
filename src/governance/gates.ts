import {
  canonicalDigest,
  decisionMessageSchema,
  type DecisionMessage,
  type DecisionRecord,
  type GateOutcome,
  type GateResult,
  type GateSpec,
  type GateView,
} from '../contract/index.js';

/** A gate as plain JSON. It is bounded: counted decisions, the latest {@link kept} others and malformed messages. */
export interface GateState {
  spec: GateSpec;
  state: 'open' | GateOutcome;
  /** why the gate is closed; empty while it is open */
  reason: string;
  dueAtMs: number;
  closedAtMs: number | null;
  decisions: DecisionRecord[];
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

/** A gate that waits for decisions until `spec.deadlineSeconds` after `nowMs`. */
export function openGate(spec: GateSpec, nowMs: number): GateState {
  return {
    spec,
    state: 'open',
    reason: '',
    dueAtMs: nowMs + spec.deadlineSeconds * 1000,
    closedAtMs: null,
    decisions: [],
    malformed: [],
    malformedCount: 0,
  };
}

/**
 * One `approve` or `reject` message, whatever it holds. Approvals count up to `spec.needed` distinct approvers; one reject
 * of somebody who may decide closes the gate, even if they approved before. All other messages are kept and of no effect.
 * A message at or after the deadline is late. Never throws.
 */
export function applyDecision(gate: GateState, signal: DecisionSignal, message: unknown, nowMs: number): Applied {
  const current = gate.state === 'open' && nowMs >= gate.dueAtMs ? expireGate(gate, nowMs) : gate;
  const parsed = parseMessage(signal, message);
  if ('malformed' in parsed) return refuseMalformed(current, signal, parsed.malformed, nowMs);

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
  const objection = objectionTo(current, signal, parsed);
  return objection === null ? count(current, record) : remember(current, { ...record, reason: objection });
}

/** The deadline has passed: an open gate closes as its spec says, which is never an approval. */
export function expireGate(gate: GateState, nowMs: number): GateState {
  if (gate.state !== 'open') return gate;
  const outcome = gate.spec.onTimeout === 'reject' ? 'rejected' : 'hold';
  return close(gate, outcome, `no decision within ${gate.spec.deadlineSeconds} s`, nowMs);
}

/** What the `gates` query shows. */
export function gateView({ spec, state, dueAtMs, decisions, malformed }: GateState): GateView {
  return { spec, state, dueAtMs, decisions, malformed };
}

/** How the gate ended. A gate that is still open (its workflow was cancelled) is on hold. */
export function gateResult(gate: GateState): GateResult {
  return {
    gateId: gate.spec.gateId,
    digest: gate.spec.digest,
    outcome: gate.state === 'open' ? 'hold' : gate.state,
    reason: gate.state === 'open' ? 'the gate was left before a decision' : gate.reason,
    decisions: gate.decisions,
    malformed: gate.malformedCount,
  };
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
    if (personOf(approver) === '') return { malformed: 'approver: is blank' };
    return parsed.data;
  } catch {
    // a getter or a proxy may throw whatever it likes
    return { malformed: 'message: cannot be read' };
  }
}

/** Spaces, case and look-alike encodings make nobody a second person. */
const personOf = (name: string): string => name.normalize('NFKC').trim().toLowerCase();

/**
 * The key of the record that a message becomes. Two messages with one key are the same message. The sender's key is scoped
 * by who, what and about what: nobody's key can shadow another's vote, no resend can shadow a veto, and a decision on a
 * stale digest can shadow no later one on this gate's.
 */
export function recordKey(
  spec: GateSpec,
  signal: DecisionSignal,
  { approver, key, gateId, digest }: DecisionMessage,
): string {
  const own = `${approver}:${signal}${key === undefined ? '' : `:${key}`}`;
  if (gateId === spec.gateId && digest === spec.digest) return own;
  return `${own}@${canonicalDigest({ gateId, digest }).slice(0, 12)}`;
}

function objectionTo(gate: GateState, signal: DecisionSignal, message: DecisionMessage): string | null {
  const { spec } = gate;
  const person = personOf(message.approver);
  if (message.gateId !== spec.gateId) return `for another gate: ${message.gateId.slice(0, 200)}`;
  if (message.digest !== spec.digest) return `for another content: ${message.digest.slice(0, 12)}`;
  if (gate.state !== 'open') return `late: the gate is closed (${gate.state})`;
  if (spec.approvers.length > 0 && !spec.approvers.some((name) => personOf(name) === person)) {
    return 'not among those who may decide';
  }
  if (signal === 'reject') return null;
  if (person === personOf(spec.requestedBy)) return 'nobody approves what they requested';
  if (gate.decisions.some(({ counted, approver }) => counted && personOf(approver) === person)) {
    return 'has approved already';
  }
  return null;
}

function count(gate: GateState, record: DecisionRecord): Applied {
  const { needed } = gate.spec;
  if (record.decision === 'reject') {
    const { gate: next, verdict } = remember(gate, { ...record, counted: true, reason: 'a reject is a veto' });
    return { gate: close(next, 'rejected', `rejected by ${record.approver}`, record.atMs), verdict };
  }
  const approvals = gate.decisions.filter(({ counted }) => counted).length + 1;
  const { gate: next, verdict } = remember(gate, { ...record, counted: true, reason: `${approvals} of ${needed}` });
  if (approvals < needed) return { gate: next, verdict };
  const names = next.decisions.filter(({ counted }) => counted).map(({ approver }) => approver);
  return { gate: close(next, 'approved', `approved by ${names.join(', ')}`, record.atMs), verdict };
}

/** Adds a record; where there are too many, the oldest of those without effect goes. */
function remember(gate: GateState, record: DecisionRecord): Applied {
  const decisions = [...gate.decisions, { ...record, note: record.note?.slice(0, keptNoteLength) ?? null }];
  const uncounted = decisions.filter(({ counted }) => !counted);
  const gone = uncounted.length > kept ? uncounted[0] : undefined;
  return {
    gate: { ...gate, decisions: decisions.filter((d) => d !== gone) },
    verdict: { counted: record.counted, reason: record.reason, record },
  };
}

function refuseMalformed(gate: GateState, signal: DecisionSignal, why: string, atMs: number): Applied {
  const reason = why.slice(0, 200);
  return {
    gate: {
      ...gate,
      malformed: [...gate.malformed, { atMs, signal, reason }].slice(-kept),
      malformedCount: gate.malformedCount + 1,
    },
    verdict: { counted: false, reason: `malformed: ${reason}`, record: null },
  };
}

function close(gate: GateState, state: GateOutcome, reason: string, nowMs: number): GateState {
  return { ...gate, state, reason, closedAtMs: nowMs };
}
