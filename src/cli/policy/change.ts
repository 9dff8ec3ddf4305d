import {
  demoTenant,
  gateProblems,
  parseConfig,
  roundConfigSchema,
  tenantPolicySchema,
  type TenantPolicy,
} from '../../contract/index.js';
import type { Ledger, TenantPolicyVersion } from '../../ledger/index.js';
import { CliError, exitCodes } from '../errors.js';

/** What `policy set` was told to change; what it was not told stays as it is. */
export type PolicyChange = { [K in keyof TenantPolicy]?: TenantPolicy[K] | undefined };

/**
 * Writes the next version of a tenant's policy.
 *
 * @throws CliError with every problem of the policy, or if another version was written meanwhile
 */
export async function setPolicy(
  ledger: Ledger,
  { tenant, change, setBy }: { tenant: string; change: object; setBy: string },
): Promise<TenantPolicyVersion> {
  const name = roundConfigSchema.shape.tenant.safeParse(tenant);
  if (!name.success) {
    throw new CliError(`"${tenant}" is no tenant: ${name.error.issues[0]?.message ?? ''}`, exitCodes.usage);
  }
  const before = await ledger.tenantPolicies.latest(tenant);
  const policy = changedPolicy(tenant, before?.policy ?? null, change);
  const version = (before?.version ?? 0) + 1;
  const { written, stored } = await ledger.tenantPolicies.set({ tenant, version, policy, setBy });
  if (!written) {
    throw new CliError(
      `${stored.setBy} has set version ${version} of the policy of ${tenant} meanwhile: look at it with \`npx selkie policy show ${tenant}\`, then set yours again`,
    );
  }
  return stored;
}

function changedPolicy(tenant: string, before: TenantPolicy | null, change: object): TenantPolicy {
  const start = before ?? (tenant === demoTenant ? { trust: 'unsigned' } : {});
  const parsed = parseConfig(tenantPolicySchema, { ...start, ...change });
  // the requester is unknown yet, and is assumed to be none of the approvers
  const problems = parsed.ok ? gateProblems(parsed.value, 'whoever requests') : parsed.problems;
  if (!parsed.ok || problems.length > 0) {
    throw new CliError(`the policy of ${tenant} has problems:\n  ${problems.join('\n  ')}`, exitCodes.usage);
  }
  return parsed.value;
}
