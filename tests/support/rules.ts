import type { GateRules, RoundConfig } from '../../src/contract/index.js';
import { gateRules } from '../../src/governance/tenant-policy.js';

/** The rules of a round's gate where its tenant has no policy in the ledger. */
export function rulesOf(config: Pick<RoundConfig, 'tenant' | 'gate' | 'requestedBy'>): GateRules {
  const found = gateRules(config, null);
  if ('problems' in found) throw new Error(found.problems.join('\n'));
  return found.rules;
}
