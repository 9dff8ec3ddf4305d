import type { ActivityRequest, ActivityResult, GateResult, ModelRef } from '../../contract/index.js';
import type { Gate, PreparedRound, Queries } from '../../ledger/index.js';
import { policyAlias } from './alias.js';
import type { ControlDeps } from './deps.js';

/**
 * Makes the round's policy live under the tenant's alias, or says why not, in one transaction. The ledger is the authority:
 * what the caller says of the gate must agree with what the gate itself recorded.
 */
export async function releasePolicy(
  { ledger }: ControlDeps,
  { roundId, gate }: ActivityRequest<'releasePolicy'>,
): Promise<ActivityResult<'releasePolicy'>> {
  const round = await ledger.rounds.prepared(roundId);
  const alias = policyAlias(round.config);
  return ledger.transaction(async (queries) => {
    await queries.releases.lock(alias);
    const earlier = await queries.releases.ofRound(alias, roundId);
    if (earlier !== null) return { released: true, alias, reason: releasedAs(alias, earlier.digest) };
    const ready = await readyToRelease(queries, round, gate);
    if ('refused' in ready) return { released: false, alias: null, reason: ready.refused };
    await queries.releases.publish({ alias, roundId, gateId: gate.gateId, digest: gate.digest, model: ready.model });
    return { released: true, alias, reason: releasedAs(alias, gate.digest) };
  });
}

const releasedAs = (alias: string, digest: string): string =>
  `released as ${alias}: approved for ${digest.slice(0, 12)}`;

async function readyToRelease(
  { gates, reports, releases }: Queries,
  round: PreparedRound,
  gate: GateResult,
): Promise<{ refused: string } | { model: ModelRef }> {
  const { roundId, new: model, config, liveRelease } = round;
  const stored = await gates.get(gate.gateId);
  if (stored?.spec.roundId !== roundId) return { refused: `gate ${gate.gateId} is not a gate of this round` };
  const objection = objectionTo(stored, gate);
  if (objection !== null) return { refused: objection };
  const report = await reports.get(roundId);
  if (report?.releaseDigest !== gate.digest) {
    return { refused: `the approval is for ${gate.digest.slice(0, 12)}, which is not this round's report` };
  }
  if (model === null) return { refused: 'the round trained no policy' };
  const live = (await releases.live(policyAlias(config)))?.releaseId ?? null;
  if (live !== liveRelease) {
    return {
      refused:
        `another release became live under ${policyAlias(config)} while this round ran, ` +
        'and this policy was not compared with it: run the round again from that one',
    };
  }
  return { model };
}

/** Why a gate, as recorded, is no approval; null: it is one. */
export function objectionTo({ spec, result }: Gate, claimed: GateResult): string | null {
  if (result === null) return `gate ${spec.gateId} is still open`;
  if (result.outcome !== 'approved') return `not approved: ${result.outcome} (${result.reason})`;
  if (claimed.outcome !== 'approved') return `not approved: ${claimed.outcome} (${claimed.reason})`;
  if (result.digest !== spec.digest || claimed.digest !== spec.digest) {
    return `the approval is for another content than gate ${spec.gateId} decides on`;
  }
  const counted = result.decisions.filter((decision) => decision.counted);
  if (counted.some(({ decision }) => decision === 'reject')) return 'not approved: a reject was counted';
  const approvers = new Set(counted.map(({ approver }) => approver));
  if (approvers.size < spec.needed) return `not approved: ${approvers.size} of ${spec.needed} approvals`;
  return null;
}
