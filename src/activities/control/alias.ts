/** Under what name a tenant's live policy is found. */
export const policyAlias = (tenant: string): string => `${tenant}/policy`;
