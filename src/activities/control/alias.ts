/** Under what name a tenant's live policy of a model is found. */
export const policyAlias = ({ tenant, model }: { tenant: string; model: string }): string =>
  `${tenant}/${model}/policy`;
