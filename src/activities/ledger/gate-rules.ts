import { failure, type GateRules, type RoundConfig } from '../../contract/index.js';
import { gateRules } from '../../governance/tenant-policy.js';
import type { Queries } from '../../ledger/index.js';

/**
 * The rules of a round's gate: the tenant's policy as it is now, and the round's config where that is stricter.
 * @throws InvalidConfig if no set of approvers can satisfy them
 */
export async function findGateRules({ tenantPolicies }: Queries, config: RoundConfig): Promise<GateRules> {
  const found = gateRules(config, await tenantPolicies.latest(config.tenant));
  if ('rules' in found) return found.rules;
  throw failure('InvalidConfig', found.problems.join('\n'));
}
