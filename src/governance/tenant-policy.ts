import {
  demoTenant,
  gateProblems,
  tenantPolicySchema,
  type GateRules,
  type RoundConfig,
  type TenantPolicy,
} from '../contract/index.js';
import { personOf } from '../lib/person.js';

/** A tenant's policy as the ledger has it. */
export interface StoredPolicy {
  version: number;
  policy: TenantPolicy;
}

type Asked = Pick<RoundConfig, 'tenant' | 'gate' | 'requestedBy'>;

/** Without a policy in the ledger the round's own config decides; only the demo's may leave open who is trusted. */
const unwritten = ({ tenant, gate }: Asked): StoredPolicy => ({
  version: 0,
  policy: tenantPolicySchema.parse({ trust: gate.trust ?? (tenant === demoTenant ? 'unsigned' : 'signed') }),
});

/**
 * The rules of a round's gate: the stricter of the tenant's policy and the round's config, rule by rule. `problems`, if
 * no decisions could ever satisfy them.
 */
export function gateRules(asked: Asked, stored: StoredPolicy | null): { rules: GateRules } | { problems: string[] } {
  const { gate, requestedBy } = asked;
  const { version, policy } = stored ?? unwritten(asked);
  const approvers = namesInBoth(policy.approvers, gate.approvers);
  if (approvers === null) {
    return { problems: ["gate.approvers: the tenant's policy lets none of them decide"] };
  }
  const rules: GateRules = {
    needed: Math.max(policy.needed, gate.needed),
    approvers,
    requestedBy,
    requesterMayApprove: policy.requesterMayApprove,
    deadlineSeconds: Math.min(policy.deadlineSeconds, gate.deadlineSeconds),
    onTimeout: [policy.onTimeout, gate.onTimeout].includes('reject') ? 'reject' : 'hold',
    trust: [policy.trust, gate.trust].includes('signed') ? 'signed' : 'unsigned',
    policyVersion: version,
  };
  const problems = gateProblems(rules, requestedBy);
  if (rules.trust === 'signed') problems.push(unsignable(asked, stored));
  return problems.length > 0 ? { problems } : { rules };
}

/** Signatures are not verified yet, so a gate that wants them would wait in vain. */
const unsignable = ({ tenant, gate }: Asked, stored: StoredPolicy | null): string =>
  stored === null && gate.trust === undefined
    ? `gate.trust: the tenant "${tenant}" has no policy in the ledger, and outside of "${demoTenant}" none is assumed: ` +
      'give it one (`npx selkie policy set`), or state "unsigned" if decisions count that nobody signed'
    : `gate.trust: only signed decisions count, and this version verifies no signatures: nothing could be approved`;

/** Who may decide by both lists, of which an empty one allows everyone; null: no one may. */
function namesInBoth(policy: readonly string[], asked: readonly string[]): string[] | null {
  if (policy.length === 0) return [...asked];
  if (asked.length === 0) return [...policy];
  const allowed = new Set(policy.map(personOf));
  const both = asked.filter((name) => allowed.has(personOf(name)));
  return both.length === 0 ? null : both;
}
