import type { DecisionRecord, GateResult, GateSpec, ModelRef } from '../contract/index.js';
import { modelDigest } from '../seal/keys.js';
import { recount } from './gates.js';

/** A release, as far as it decides what another one may replace. */
export interface LiveRelease {
  releaseId: number;
  alias: string;
  roundId: string;
  model: ModelRef;
}

/**
 * Why a gate, as recorded, is no approval; null: it is one. The decisions are counted again, by the gate's snapshot of
 * its rules, and the caller's claim must be about the same content.
 */
export function releaseObjection(
  { spec, result }: { spec: GateSpec; result: GateResult | null },
  claimed: GateResult,
  decisions: readonly DecisionRecord[],
): string | null {
  if (result === null) return `gate ${spec.gateId} is still open`;
  if (result.outcome !== 'approved') return `not approved: ${result.outcome} (${result.reason})`;
  if (result.digest !== spec.digest || claimed.digest !== spec.digest) {
    return `the approval is for another content than gate ${spec.gateId} decides on`;
  }
  const came = recount(spec, decisions);
  return came === 'approved' ? null : `not approved: the recorded decisions come to ${came} by the gate's rules`;
}

/** The policy that a release would make live; it takes the place of the one that its round started from, and of no other. */
export function readyToRelease(
  { roundId, old, new: model }: { roundId: string; old: ModelRef; new: ModelRef | null },
  live: LiveRelease | null,
): { blocked: string } | { model: ModelRef } {
  if (model === null) return { blocked: 'the round trained no policy' };
  if (live === null || modelDigest(live.model) === modelDigest(old)) return { model };
  return {
    blocked:
      `release ${live.releaseId} of ${live.roundId} is live under ${live.alias}, and the policy of ${roundId} was not ` +
      'compared with it: run a round that starts from that one',
  };
}
