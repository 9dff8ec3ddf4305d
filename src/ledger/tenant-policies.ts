import { z } from 'zod';
import { tenantPolicySchema, type TenantPolicy } from '../contract/index.js';
import { json, maybeRow, row, run, type Db } from './db.js';

const storedSchema = z.strictObject({
  tenant: z.string(),
  /** from 1 */
  version: z.int().positive(),
  policy: tenantPolicySchema,
  setBy: z.string(),
  setAt: z.string(),
});
export type TenantPolicyVersion = z.infer<typeof storedSchema>;

const select = `select tenant, version, policy, set_by as "setBy",
  to_char(set_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as "setAt" from tenant_policies`;

/** What tenants demand of their gates. A version is written once; the latest one is in force. */
export class TenantPolicies {
  constructor(private readonly db: Db) {}

  /** The policy in force; null: the tenant has none. */
  async latest(tenant: string): Promise<TenantPolicyVersion | null> {
    return maybeRow(this.db, storedSchema, `${select} where tenant = $1 order by version desc limit 1`, [tenant]);
  }

  /** Writes a version. First write wins; returns the stored version, and whether this call wrote it. */
  async set(given: {
    tenant: string;
    version: number;
    policy: TenantPolicy;
    setBy: string;
  }): Promise<{ written: boolean; stored: TenantPolicyVersion }> {
    const { tenant, version, policy, setBy } = given;
    const written = await run(
      this.db,
      `insert into tenant_policies (tenant, version, policy, set_by) values ($1, $2, $3, $4) on conflict do nothing`,
      [tenant, version, json(policy), setBy],
    );
    const what = `version ${version} of the policy of ${tenant}`;
    const stored = await row(this.db, storedSchema, what, `${select} where tenant = $1 and version = $2`, [
      tenant,
      version,
    ]);
    return { written: written === 1, stored };
  }
}
