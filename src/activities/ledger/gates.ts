import { isDeepStrictEqual } from 'node:util';
import {
  failure,
  workflowTypes,
  type ActivityRequest,
  type ActivityResult,
  type DecisionRecord,
  type GateResult,
  type GateSpec,
} from '../../contract/index.js';
import { recount, releaseGate } from '../../governance/gates.js';
import type { Gate, Queries } from '../../ledger/index.js';
import type { Caller } from '../callers.js';
import type { LedgerDeps } from './deps.js';
import { findGateRules } from './gate-rules.js';

/**
 * Keeps what a gate decides on, before anybody can decide. A gate that was decided once is not asked again. An instance keeps
 * the rules that it was opened with, also where the tenant's policy changes while it is open.
 */
export async function openGate(
  { ledger }: LedgerDeps,
  spec: ActivityRequest<'openGate'>,
  caller: Caller,
): Promise<ActivityResult<'openGate'>> {
  return ledger.transaction(async (queries) => {
    if ((await queries.gates.ofRun(spec.gateId, caller.runId)) === null) await refuseForeignRules(queries, spec);
    const { result } = await findInstance(queries, caller, spec);
    return { decided: result };
  });
}

/** The ledger sets a gate's rules and the report that it decides on. The caller can change neither. */
async function refuseForeignRules(queries: Queries, spec: GateSpec): Promise<void> {
  const { config } = await queries.rounds.get(spec.roundId);
  const digest = (await queries.reports.get(spec.roundId))?.releaseDigest ?? 'none: there is no report';
  const rules = await findGateRules(queries, config);
  const own = releaseGate(spec.roundId, rules, { digest, subject: spec.subject });
  const keys = (Object.keys(own) as (keyof GateSpec)[]).filter((key) => !isDeepStrictEqual(own[key], spec[key]));
  if (keys.length > 0) {
    throw failure(
      'InvalidRequest',
      `a gate of ${spec.roundId} has the rules of its tenant and its round; this one differs in ${keys.join(', ')}`,
    );
  }
}

/**
 * The instance that this run of the gate's workflow asks: its own, or the last one if that was decided. An instance
 * that an older run left open receives no more messages (a workflow id has one run at a time), so it is on hold.
 */
async function findInstance({ gates }: Queries, { runId }: Caller, spec: GateSpec): Promise<Gate> {
  const { gateId } = spec;
  await gates.lock(gateId);
  const own = await gates.ofRun(gateId, runId);
  if (own !== null) return own;
  const latest = await gates.latest(gateId);
  if (latest !== null && isDecided(latest)) return latest;
  if (latest?.result === null) {
    const reason = 'an older run of the gate left it without a decision';
    await gates.close(latest.instance, endOf(latest.spec, 'hold', reason));
  }
  return gates.open(spec, runId);
}

const isDecided = ({ result }: Gate): boolean => result !== null && result.outcome !== 'hold';

const endOf = ({ gateId, digest }: GateSpec, outcome: GateResult['outcome'], reason: string): GateResult => ({
  gateId,
  digest,
  outcome,
  reason,
  decisions: [],
  uncounted: 0,
  malformed: 0,
});

/** Keeps decisions, counted or not. At an instance that is closed none counts. */
export async function recordDecisions(
  { ledger }: LedgerDeps,
  { gateId, decisions }: ActivityRequest<'recordDecisions'>,
  caller: Caller,
): Promise<ActivityResult<'recordDecisions'>> {
  await ledger.transaction(async (queries) => {
    const { gates } = queries;
    const { spec } = await known(queries, gateId);
    const { instance, result } = await findInstance(queries, caller, spec);
    await gates.decide(gateId, instance, result === null ? decisions : decisions.map((one) => lateFor(result, one)));
  });
  return {};
}

const lateFor = ({ outcome }: GateResult, decision: DecisionRecord): DecisionRecord =>
  decision.counted ? { ...decision, counted: false, reason: `late: the gate is closed (${outcome})` } : decision;

async function known({ gates }: Queries, gateId: string): Promise<Gate> {
  const latest = await gates.latest(gateId);
  if (latest === null) throw failure('InvalidRequest', `the gate ${gateId} was never opened`);
  return latest;
}

/**
 * Records how a gate ended, by what the recorded decisions amount to under its rules. An earlier end is kept; a gate
 * that claims another end than its decisions give is refused.
 */
export async function closeGate(
  { ledger }: LedgerDeps,
  claim: ActivityRequest<'closeGate'>,
  caller: Caller,
): Promise<ActivityResult<'closeGate'>> {
  if (caller.workflowType === workflowTypes.round) return leaveGate(ledger, claim);
  return ledger.transaction(async (queries) => {
    const { gates } = queries;
    // cancelled before it was opened
    if (claim.outcome === 'hold' && (await gates.latest(claim.gateId)) === null) return claim;
    const { spec } = await known(queries, claim.gateId);
    const { instance, result } = await findInstance(queries, caller, spec);
    if (result !== null) return agreeing(result, claim);
    await gates.decide(claim.gateId, instance, claim.decisions);
    const end = judged(spec, claim, await gates.decisions(claim.gateId, instance));
    await gates.close(instance, end);
    return end;
  });
}

/** A gate whose workflow died is on hold, by the word of its round, unless it was decided before. */
async function leaveGate(ledger: LedgerDeps['ledger'], claim: GateResult): Promise<GateResult> {
  if (claim.outcome !== 'hold')
    throw failure('InvalidRequest', 'a round may leave its gate on hold, and decides nothing');
  return ledger.transaction(async ({ gates }) => {
    await gates.lock(claim.gateId);
    const latest = await gates.latest(claim.gateId);
    if (latest === null) return claim;
    if (latest.result !== null) return isDecided(latest) ? latest.result : claim;
    await gates.close(latest.instance, claim);
    return claim;
  });
}

/** The recorded end, if the claim agrees with it. */
function agreeing(stands: GateResult, claim: GateResult): GateResult {
  if (claim.outcome === stands.outcome || claim.outcome === 'hold') return stands;
  throw failure(
    'InvalidRequest',
    `the gate ${claim.gateId} ended as ${stands.outcome} before, and not as ${claim.outcome}`,
  );
}

function judged(spec: GateSpec, claim: GateResult, recorded: readonly DecisionRecord[]): GateResult {
  const counted = recorded.filter((decision) => decision.counted);
  const came = recount(spec, counted);
  const byDeadline = came === 'open' && spec.onTimeout === 'reject' ? 'rejected' : came;
  if (claim.digest !== spec.digest) throw failure('InvalidRequest', `the gate ${spec.gateId} decides on other content`);
  if (claim.outcome !== 'hold' && claim.outcome !== byDeadline) {
    throw failure(
      'InvalidRequest',
      `the gate ${spec.gateId} says ${claim.outcome}, and its decisions come to ${came} by its own rules`,
    );
  }
  // a veto also closes a gate that ended undecided
  return came === 'rejected' ? { ...claim, outcome: 'rejected', decisions: counted } : { ...claim, decisions: counted };
}
