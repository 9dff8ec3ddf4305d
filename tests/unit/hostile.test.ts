import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { gateText } from '../../src/cli/gate/text.js';
import * as contract from '../../src/contract/index.js';
import {
  activityContracts,
  canonicalDigest,
  parseConfig,
  roundConfigProblems,
  roundConfigSchema,
  shardProgressSchema,
  textDigest,
} from '../../src/contract/index.js';
import { applyDecision, gateResult, gateView, openGate, releaseGate } from '../../src/governance/gates.js';
import { gateRules } from '../../src/governance/tenant-policy.js';
import { rulesOf } from '../support/rules.js';
import { campaignMarkdown } from '../../src/workflows/campaign/details.js';
import { newRunSignals } from '../../src/workflows/runtime/run-signals.js';
import { gateMarkdown } from '../../src/workflows/gate/details.js';
import { roundMarkdown } from '../../src/workflows/round/details.js';
import { RoundState } from '../../src/workflows/round/state.js';
import { hostileLike, hostileText, hostileValue } from '../support/hostile.js';

// What comes from outside, drawn from hostile values: no schema, reducer or view throws on any of it.

let inputs = 0;
afterAll(() => console.info(`${inputs} hostile inputs`));

const each = (values: fc.Arbitrary<unknown>, judge: (value: unknown) => void, numRuns = 150): void => {
  fc.assert(
    fc.property(values, (value) => {
      inputs += 1;
      judge(value);
    }),
    { numRuns },
  );
};

const schemas = [
  ...Object.entries(contract as Record<string, unknown>),
  ...Object.entries(activityContracts).flatMap(([name, { request, result }]): [string, unknown][] => [
    [`${name}, request`, request],
    [`${name}, result`, result],
  ]),
].flatMap(([name, schema]): [string, z.ZodType][] => (schema instanceof z.ZodType ? [[name, schema]] : []));

describe('a schema', () => {
  it('is among many', () => expect(schemas.length).toBeGreaterThan(60));

  it.each(schemas)('%s judges every value without a throw', (_name, schema) => {
    each(hostileValue, (value) => expect(typeof schema.safeParse(value).success).toBe('boolean'), 60);
  });
});

describe('a config', () => {
  const sample = roundConfigSchema.parse({ gate: { approvers: ['ann'], trust: 'unsigned' }, earlierRounds: ['a'] });

  it('is told its problems, or has a digest, a gate and views', () => {
    let taken = 0;
    each(
      fc.oneof(hostileLike(sample), hostileValue),
      (value) => {
        const parsed = parseConfig(roundConfigSchema, value);
        if (!parsed.ok) expect(parsed.problems.length).toBeGreaterThan(0);
        if (!parsed.ok || roundConfigProblems(parsed.value).length > 0) return;
        taken += 1;
        const config = parsed.value;
        expect(canonicalDigest(config)).toMatch(/^[0-9a-f]{64}$/);
        const found = gateRules(config, null);
        if ('problems' in found) return;
        const spec = releaseGate('r', found.rules, { digest: textDigest('x'), subject: config.corpus });
        const gate = openGate(spec, Date.UTC(2026, 0));
        expect(gateMarkdown(gateView(gate))).toContain('**open**');
        const state = new RoundState('r', config, newRunSignals());
        state.gate = gateView(gate);
        expect(roundMarkdown(state)).toContain('preparing');
        expect(JSON.parse(JSON.stringify(config))).toEqual(config);
      },
      1500,
    );
    expect(taken).toBeGreaterThan(0);
  });
});

describe('a report of a shard', () => {
  it('changes nothing that decides, and can be shown', () => {
    const soFar = { outcomes: { scored: 1, infra_failure: 1 }, deviceSeconds: 1, bestReward: 0.5 };
    const state = new RoundState('r', roundConfigSchema.parse({}), newRunSignals());
    state.beginTrials('edits', 4, 0, 1);
    each(
      hostileLike({ purpose: 'edits', shard: 0, soFar }),
      (value) => {
        const parsed = shardProgressSchema.safeParse(value);
        if (parsed.success) state.heard(parsed.data);
        expect(state.total.outcomes).toEqual({});
        expect(state.status.trials.done).toBeLessThanOrEqual(4);
        expect(Number.isFinite(state.status.deviceSeconds)).toBe(true);
        expect(roundMarkdown(state)).toContain('of 4');
      },
      1500,
    );
  });
});

describe('what people see', () => {
  it('of a gate, a round and a campaign holds nothing that a terminal or Markdown would obey', () => {
    const digest = textDigest('x');
    each(
      fc.record({ id: hostileText, name: hostileText, note: hostileText, subject: hostileText, why: hostileText }),
      (value) => {
        const { id, name, note, subject, why } = value as Record<string, string>;
        const gateId = `${id ?? ''}.gate-release`;
        const rules = { ...rulesOf(roundConfigSchema.parse({})), needed: 2, requestedBy: why ?? '' };
        const spec = { ...releaseGate(id ?? '', rules, { digest, subject: subject ?? '' }), gateId };
        const sent = { gateId, digest, approver: name, note };
        const { gate } = applyDecision(openGate(spec, 0), 'approve', sent, 1);
        const view = gateView(gate, why ?? null);
        // eslint-disable-next-line no-control-regex -- what is obeyed
        const obeyed = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b]/;
        expect(gateText(view).replace(/^ {2}npx .*/ms, '')).not.toMatch(obeyed);
        expect(gateMarkdown({ ...view, state: 'hold' })).not.toMatch(obeyed);
        expect(gateResult(gate).gateId).toBe(gateId);
        const status = {
          campaignId: id ?? '',
          roundId: id ?? '',
          round: 1,
          totalRounds: 2,
          paused: false,
          stopping: false,
        };
        expect(campaignMarkdown({ ...status, policyLayers: 0, waitingAfter: why ?? null }, [name ?? ''])).not.toMatch(
          obeyed,
        );
      },
      1500,
    );
  });
});
