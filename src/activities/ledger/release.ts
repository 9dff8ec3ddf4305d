import { policyAlias, type ActivityRequest, type ActivityResult } from '../../contract/index.js';
import { readyToRelease, releaseObjection } from '../../governance/release.js';
import type { LedgerDeps } from './deps.js';
import { findGateRules } from './gate-rules.js';

/** Gates that are told of a release, at most: a tenant with more open ones asks them again. */
const mostOvertaken = 20;

/**
 * Makes the round's policy live under the tenant's alias, or returns why not, in one transaction. The ledger is the
 * authority: it counts its decisions again by the gate's rules, and the caller's claim must agree.
 */
export async function releasePolicy(
  { ledger }: LedgerDeps,
  { roundId, gate }: ActivityRequest<'releasePolicy'>,
): Promise<ActivityResult<'releasePolicy'>> {
  const refuse = (reason: string) => ({ released: false, alias: null, reason, overtaken: [] });
  if (gate.outcome !== 'approved') return refuse(`not approved: ${gate.outcome} (${gate.reason})`);
  const round = await ledger.rounds.prepared(roundId);
  const alias = policyAlias(round.config);
  return ledger.transaction(async (queries) => {
    const { gates, releases, reports } = queries;
    await releases.lock(alias);
    const stored = await gates.latest(gate.gateId);
    if (stored?.spec.roundId !== roundId) return refuse(`gate ${gate.gateId} is not a gate of this round`);
    const objection = releaseObjection(stored, gate, await gates.decisions(gate.gateId, stored.instance));
    if (objection !== null) return refuse(objection);
    if ((await reports.get(roundId))?.releaseDigest !== gate.digest) {
      return refuse(`the approval is for ${gate.digest.slice(0, 12)}, which is not this round's report`);
    }
    const done = { released: true, alias, reason: `released as ${alias}: approved for ${gate.digest.slice(0, 12)}` };
    const overtaken = (): Promise<string[]> => gates.openBeside(roundId, round.config.tenant, mostOvertaken);
    if ((await releases.ofRound(alias, roundId)) !== null) return { ...done, overtaken: await overtaken() };
    const ready = readyToRelease(round, await releases.live(alias));
    if ('blocked' in ready) return refuse(ready.blocked);
    const { gateId, digest } = gate;
    await releases.publish({ alias, roundId, gateId, gateInstance: stored.instance, digest, model: ready.model });
    return { ...done, overtaken: await overtaken() };
  });
}

/** Whether a release of the round's policy would go through, were it approved now, what it would replace, and by which rules. */
export async function checkRelease(
  { ledger }: LedgerDeps,
  { roundId }: ActivityRequest<'checkRelease'>,
): Promise<ActivityResult<'checkRelease'>> {
  const round = await ledger.rounds.prepared(roundId);
  const alias = policyAlias(round.config);
  const live = await ledger.releases.live(alias);
  const rules = await findGateRules(ledger, round.config);
  if ((await ledger.releases.ofRound(alias, roundId)) !== null) return { blocked: null, replaces: null, rules };
  const ready = readyToRelease(round, live);
  return {
    rules,
    blocked: 'blocked' in ready ? ready.blocked : null,
    replaces: live === null ? null : `release ${live.releaseId} of ${live.roundId}`,
  };
}
