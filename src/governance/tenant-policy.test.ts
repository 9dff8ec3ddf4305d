import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { roundConfigSchema, tenantPolicySchema, type RoundConfigInput, type TenantPolicy } from '../contract/index.js';
import { personOf } from '../lib/person.js';
import { gateRules } from './tenant-policy.js';

const policy = (more: Partial<TenantPolicy> = {}): TenantPolicy =>
  tenantPolicySchema.parse({ trust: 'unsigned', ...more });
const rules = (config: RoundConfigInput, stored: Partial<TenantPolicy> | null = null) =>
  gateRules(roundConfigSchema.parse(config), stored === null ? null : { version: 3, policy: policy(stored) });

describe('the rules of a gate', () => {
  it('are the config of a round of the demo, where no policy is written', () => {
    expect(rules({ gate: { needed: 2, approvers: ['ann', 'bob'], onTimeout: 'reject' }, requestedBy: 'rita' })).toEqual(
      {
        rules: {
          needed: 2,
          approvers: ['ann', 'bob'],
          requestedBy: 'rita',
          requesterMayApprove: false,
          deadlineSeconds: 86_400,
          onTimeout: 'reject',
          trust: 'unsigned',
          policyVersion: 0,
        },
      },
    );
  });

  it('trust nobody unsigned in another tenant, unless its policy or the config states it', () => {
    expect(rules({ tenant: 'acme' })).toMatchObject({ problems: [expect.stringContaining('has no policy')] });
    expect(rules({ tenant: 'acme', gate: { trust: 'unsigned' } })).toMatchObject({ rules: { trust: 'unsigned' } });
    expect(rules({ tenant: 'acme' }, {})).toMatchObject({ rules: { trust: 'unsigned', policyVersion: 3 } });
    expect(rules({ gate: { trust: 'unsigned' } }, { trust: 'signed' })).toMatchObject({
      problems: [expect.stringContaining('only signed decisions count')],
    });
  });

  it('take from two lists of names those in both, and never everybody', () => {
    const asked = { gate: { approvers: ['Ann ', 'mallory'] } };
    expect(rules(asked, { approvers: ['ann', 'bob'] })).toMatchObject({ rules: { approvers: ['Ann '] } });
    expect(rules({}, { approvers: ['ann', 'bob'] })).toMatchObject({ rules: { approvers: ['ann', 'bob'] } });
    expect(rules({ gate: { approvers: ['mallory'] } }, { approvers: ['ann'] })).toMatchObject({
      problems: [expect.stringContaining('lets none of them decide')],
    });
  });

  it('are refused where nobody could satisfy them', () => {
    expect(rules({ requestedBy: 'ann' }, { approvers: ['ann'] })).toMatchObject({
      problems: [expect.stringContaining('1 approvals are needed')],
    });
    expect(rules({ requestedBy: 'ann' }, { approvers: ['ann'], requesterMayApprove: true })).toMatchObject({
      rules: { requesterMayApprove: true },
    });
  });

  it('are never laxer than the policy, whatever a round asks for', () => {
    const names = fc.uniqueArray(fc.constantFrom('ann', 'bob', 'cy', 'dan', 'Ann'), { maxLength: 4 });
    const common = {
      needed: fc.integer({ min: 1, max: 3 }),
      approvers: names,
      deadlineSeconds: fc.integer({ min: 1, max: 31_536_000 }),
      onTimeout: fc.constantFrom('reject' as const, 'hold' as const),
      trust: fc.constantFrom('signed' as const, 'unsigned' as const),
    };
    const requesters = fc.constantFrom('ann', 'bob', 'eve');
    const policies = fc.record({ ...common, requesterMayApprove: fc.boolean() });
    fc.assert(
      fc.property(fc.record(common), requesters, policies, (gate, requestedBy, stored) => {
        const found = rules({ gate, requestedBy }, stored);
        if ('problems' in found) return;
        const { needed, approvers, requesterMayApprove, deadlineSeconds, onTimeout, trust } = found.rules;
        expect(needed).toBeGreaterThanOrEqual(Math.max(stored.needed, gate.needed));
        expect(deadlineSeconds).toBeLessThanOrEqual(Math.min(stored.deadlineSeconds, gate.deadlineSeconds));
        expect(requesterMayApprove).toBe(stored.requesterMayApprove);
        expect(trust).toBe('unsigned');
        if (stored.onTimeout === 'reject' || gate.onTimeout === 'reject') expect(onTimeout).toBe('reject');
        for (const list of [stored.approvers, gate.approvers].filter((one) => one.length > 0)) {
          expect(approvers.length).toBeGreaterThan(0);
          for (const name of approvers) expect(list.map(personOf)).toContain(personOf(name));
        }
      }),
    );
  });
});
