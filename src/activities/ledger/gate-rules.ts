import { failure, type GateRules, type RoundConfig } from '../../contract/index.js';
import { gateRules } from '../../governance/tenant-policy.js';
import type { Queries } from '../../ledger/index.js';

/**
 * What a gate of a round goes by: the tenant's policy of this moment, and the round's config where that is stricter.
 * @throws InvalidConfig where nobody could ever satisfy it
 */
export async function findGateRules({ tenantPolicies }: Queries, config: RoundConfig): Promise<GateRules> {
  const found = gateRules(config, await tenantPolicies.latest(config.tenant));
  if ('rules' in found) return found.rules;
  throw failure('InvalidConfig', found.problems.join('\n'));
}
