import type { TenantPolicyVersion } from '../../ledger/index.js';
import { safeText } from '../text/safe-text.js';

/** A tenant's policy in lines; null: it has none. */
export function policyText(tenant: string, stored: TenantPolicyVersion | null): string {
  if (stored === null) {
    return `${safeText(tenant)} has no policy: each round's own config decides. \`npx selkie policy set\` writes one.`;
  }
  const { version, policy, setBy, setAt } = stored;
  const { needed, approvers, requesterMayApprove, deadlineSeconds, onTimeout, trust } = policy;
  return [
    `${safeText(tenant)}: version ${version}, set by ${safeText(setBy)} at ${setAt}`,
    `  needed     ${needed} approval${needed === 1 ? '' : 's'}`,
    `  approvers  ${approvers.length === 0 ? 'anybody' : approvers.map(safeText).join(', ')}`,
    `  requester  ${requesterMayApprove ? 'may approve' : 'may not approve'}`,
    `  deadline   ${deadlineSeconds} s at most, then ${onTimeout}`,
    `  trust      ${trust === 'unsigned' ? 'unsigned decisions count' : 'only signed decisions count'}`,
  ].join('\n');
}
