import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bounds, gateResultSchema, gateViewSchema, roundConfigSchema, type GateSpec } from '../contract/index.js';
import { personOf } from '../lib/person.js';
import { rulesOf } from '../../tests/support/rules.js';
import { hostileLike, hostileText, hostileValue } from '../../tests/support/hostile.js';
import {
  applyDecision,
  expireGate,
  gateResult,
  gateView,
  kept,
  openGate,
  recount,
  releaseGate,
  type GateState,
} from './gates.js';

const digest = 'a'.repeat(64);
const other = 'b'.repeat(64);
const spec: GateSpec = {
  gateId: 'demo.r0001.gate-release',
  roundId: 'demo.r0001',
  kind: 'release',
  subject: 'release the policy',
  digest,
  needed: 2,
  approvers: [],
  requestedBy: 'rita',
  deadlineSeconds: 60,
  onTimeout: 'hold',
  requesterMayApprove: false,
  trust: 'unsigned',
  policyVersion: 0,
};
const say = (approver: string, more: object = {}) => ({ gateId: spec.gateId, digest, approver, ...more });

/** Feeds messages one second apart. */
function play(start: GateState, ...messages: ['approve' | 'reject', unknown][]) {
  let gate = start;
  const verdicts = messages.map(([signal, message], i) => {
    const applied = applyDecision(gate, signal, message, (i + 1) * 1000);
    gate = applied.gate;
    return applied.verdict;
  });
  return { gate, verdicts };
}
const open = (more: Partial<GateSpec> = {}) => openGate({ ...spec, ...more }, 0);

describe('applyDecision', () => {
  it('approves with the needed number of distinct approvers, and says how many there are', () => {
    const { gate, verdicts } = play(open(), ['approve', say('ann')], ['approve', say('bob', { decision: 'approve' })]);
    expect(verdicts.map((v) => v.reason)).toEqual(['1 of 2', '2 of 2']);
    expect(gateResult(gate)).toMatchObject({ outcome: 'approved', reason: 'approved by ann, bob' });
    expect(gate.closedAtMs).toBe(2000);
  });

  it('counts one vote per approver, whatever the case, the spaces and the key', () => {
    const { gate, verdicts } = play(
      open(),
      ['approve', say('ann')],
      ['approve', say(' Ann ')],
      ['approve', say('ann', { key: 'again' })],
    );
    expect(verdicts.map((v) => v.counted)).toEqual([true, false, false]);
    expect(gate.state).toBe('open');
  });

  it('takes a resend for the same message', () => {
    const { gate, verdicts } = play(open(), ['approve', say('ann')], ['approve', say('ann', { note: 'resent' })]);
    expect(verdicts[1]).toEqual({ counted: false, reason: 'the same message again', record: null });
    expect(gate.decisions).toHaveLength(1);
  });

  it("lets no key shadow another approver's vote or a veto", () => {
    const { gate } = play(
      open(),
      ['approve', say('ann', { key: '1' })],
      ['approve', say('bob', { key: '1', digest: other })],
      ['reject', say('ann', { key: '1' })],
    );
    expect(gate.state).toBe('rejected');
    expect(new Set(gate.decisions.map(({ key }) => key)).size).toBe(3);
  });

  it('closes on one reject, also of somebody who approved before', () => {
    const { gate, verdicts } = play(
      open(),
      ['approve', say('ann')],
      ['reject', say('ann', { note: 'I looked again' })],
    );
    expect(verdicts[1]).toMatchObject({ counted: true, reason: 'a reject is a veto' });
    expect(gateResult(gate)).toMatchObject({ outcome: 'rejected', reason: 'rejected by ann' });
  });

  it('records and ignores a decision for another gate or another digest, after which the right one counts', () => {
    const { gate, verdicts } = play(
      open({ needed: 1 }),
      ['approve', say('ann', { gateId: 'demo.r0002.gate-release' })],
      ['reject', say('ann', { digest: other })],
      ['approve', say('ann', { digest: other })],
      ['approve', say('ann')],
    );
    expect(verdicts.map((v) => v.reason)).toEqual([
      'for another gate: demo.r0002.gate-release',
      'for another content: bbbbbbbbbbbb',
      'for another content: bbbbbbbbbbbb',
      '1 of 1',
    ]);
    expect(gate.decisions.map((d) => d.counted)).toEqual([false, false, false, true]);
    expect(gate.state).toBe('approved');
  });

  it('counts nobody who is not named, where approvers are named', () => {
    const { gate, verdicts } = play(
      open({ approvers: ['Ann', 'Bob'] }),
      ['reject', say('mallory')],
      ['approve', say('ann')],
    );
    expect(verdicts.map((v) => v.counted)).toEqual([false, true]);
    expect(gate.state).toBe('open');
  });

  it('lets nobody approve what they requested, though they may withdraw it', () => {
    const { verdicts, gate } = play(open({ needed: 1 }), ['approve', say('RITA')], ['reject', say('rita')]);
    expect(verdicts[0]?.reason).toBe('nobody approves what they requested');
    expect(gate.state).toBe('rejected');
  });

  it('records what comes late, by a closed gate and by the deadline', () => {
    const closed = play(open({ needed: 1 }), ['approve', say('ann')], ['reject', say('bob')]);
    expect(closed.verdicts[1]).toMatchObject({ counted: false, reason: 'late: the gate is closed (approved)' });
    expect(closed.gate.state).toBe('approved');
    const late = applyDecision(open({ needed: 1 }), 'approve', say('ann'), 60_000);
    expect(late.verdict.reason).toBe('late: the gate is closed (hold)');
    expect(late.gate).toMatchObject({ state: 'hold', closedAtMs: 60_000 });
  });

  it('counts what it cannot read, says why, and stays open', () => {
    const hostile = new Proxy(
      {},
      {
        get: () => {
          throw new Error('boo');
        },
        ownKeys: () => {
          throw new Error('boo');
        },
      },
    );
    const { gate, verdicts } = play(
      open(),
      ['approve', undefined],
      ['approve', { __undecodable: true, reason: 'bad json' }],
      ['approve', hostile],
      ['approve', say('ann', { decision: 'reject' })],
      ['approve', say('  ')],
      ['approve', say('ann', { rank: 'admiral' })],
    );
    expect(gate).toMatchObject({ state: 'open', malformedCount: 6, decisions: [] });
    expect(gate.malformed[3]?.reason).toContain('was sent with the signal "approve"');
    expect(verdicts.every((v) => !v.counted && v.record === null && v.reason.startsWith('malformed: '))).toBe(true);
  });

  it('keeps a bounded memory, and every decision that counted', () => {
    const noise = Array.from({ length: 300 }, (_, i): ['approve' | 'reject', unknown] =>
      i % 2 === 0 ? ['approve', { i }] : ['approve', say(`x${i}`, { digest: other, note: 'n'.repeat(2000) })],
    );
    const { gate } = play(open({ deadlineSeconds: 3600 }), ['approve', say('ann')], ...noise);
    expect(gate.decisions[0]).toMatchObject({ approver: 'ann', counted: true });
    expect(gate.decisions).toHaveLength(kept + 1);
    expect(gate.malformed).toHaveLength(kept);
    expect(gate.malformedCount).toBe(150);
    expect(gate.uncounted).toBe(150);
    const view = gateView(gate);
    expect(view).toMatchObject({ approvals: 1, uncounted: 150, malformedCount: 150 });
    expect(view.decisions.filter((d) => d.counted)).toHaveLength(1);
    expect(gateResult(gate)).toMatchObject({ decisions: [{ approver: 'ann' }], uncounted: 150, malformed: 150 });
  });

  it('shows a view below the bound of a payload, whatever is sent', () => {
    const long = (i: number) => `${i}${'語'.repeat(190)}`;
    const worst = openGate(
      {
        ...spec,
        gateId: 'g'.repeat(990),
        roundId: 'g'.repeat(977),
        subject: '語'.repeat(250),
        needed: 20,
        approvers: Array.from({ length: 10 }, (_, i) => long(i)),
        requestedBy: '語'.repeat(200),
      },
      0,
    );
    const own = { gateId: worst.spec.gateId, digest };
    const { gate } = play(
      { ...worst, spec: { ...worst.spec, deadlineSeconds: 3600 } },
      ...Array.from({ length: 10 }, (_, i): ['approve', unknown] => [
        'approve',
        { ...own, approver: long(i), note: '語'.repeat(2000) },
      ]),
      ...Array.from({ length: 60 }, (_, i): ['approve', unknown] => [
        'approve',
        { ...own, approver: `語${long(i)}`, note: '語'.repeat(2000) },
      ]),
      ...Array.from({ length: 60 }, (): ['approve', unknown] => ['approve', { ['語'.repeat(300)]: 1 }]),
    );
    expect(gate.decisions.filter((d) => d.counted)).toHaveLength(10);
    expect(new TextEncoder().encode(JSON.stringify(gateView(gate))).length).toBeLessThan(bounds.payloadBytes);
  });

  it.each(['ri\u200bta', 'ＲＩＴＡ', 'rit\u00ada', ' rita\u2060 ', 'r\ufe0fita'])(
    'takes %j for rita, who requested it',
    (name) => {
      const { gate, verdicts } = play(open({ needed: 1 }), ['approve', say(name)]);
      expect([gate.state, verdicts[0]?.reason]).toEqual(['open', 'nobody approves what they requested']);
    },
  );

  it.each(['\ud800', 'a\u0000', 'a\u001b[2J', '\u200b'])('has no use for the name %j', (name) => {
    const { gate, verdicts } = play(open({ needed: 1 }), ['approve', say(name)]);
    expect([gate.state, verdicts[0]?.reason]).toEqual(['open', expect.stringMatching(/^malformed: approver: has /)]);
  });

  it('never throws, never approves with fewer than needed, and is always a valid view and result', () => {
    const known = fc.record(
      {
        gateId: fc.oneof(fc.constant(spec.gateId), hostileText),
        digest: fc.oneof(fc.constantFrom(digest, other), hostileText),
        approver: fc.oneof(fc.constantFrom('ann', 'Ann', 'a\u200bnn', 'bob', 'cy', 'rita'), hostileText),
        decision: fc.constantFrom('approve', 'reject'),
        note: hostileText,
        key: fc.oneof(fc.constantFrom('1', '2'), hostileText),
      },
      { requiredKeys: ['gateId', 'digest', 'approver'] },
    );
    const message = fc.oneof(
      { weight: 4, arbitrary: known },
      { weight: 2, arbitrary: hostileLike({ ...say('ann'), decision: 'approve', note: 'n', key: 'k' }) },
      { weight: 1, arbitrary: hostileValue },
      { weight: 1, arbitrary: fc.anything({ stringUnit: 'binary', withBigInt: true, withNullPrototype: true }) },
    );
    const signal = fc.constantFrom('approve' as const, 'reject' as const);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(signal, message), { maxLength: 30 }),
        fc.integer({ min: 1, max: 3 }),
        (messages, needed) => {
          const { gate, verdicts } = play(open({ needed }), ...messages);
          const people = new Set(
            gate.decisions.filter((d) => d.counted && d.decision === 'approve').map((d) => personOf(d.approver)),
          );
          expect(people.has('rita')).toBe(false);
          if (gate.state === 'approved') expect(people.size).toBe(needed);
          if (verdicts.some((v) => v.counted && v.reason === 'a reject is a veto')) expect(gate.state).toBe('rejected');
          if (gate.state !== 'hold') expect(recount(gate.spec, gate.decisions)).toBe(gate.state);
          expect(gateViewSchema.safeParse(gateView(gate)).success).toBe(true);
          expect(gateResultSchema.safeParse(gateResult(gate)).success).toBe(true);
          expect(JSON.parse(JSON.stringify(gate))).toEqual(gate);
        },
      ),
      { numRuns: 400 },
    );
  });
});

describe('recount', () => {
  const record = (approver: string, decision: 'approve' | 'reject' = 'approve', counted = true) => ({
    approver,
    decision,
    note: null,
    key: `${approver} ${decision}`,
    atMs: 1,
    counted,
    reason: '',
  });

  it('believes no record that claims to count', () => {
    expect(recount(spec, [record('ann'), record('bob')])).toBe('approved');
    expect(recount(spec, [record('ann'), record('Ann\u200b')])).toBe('open');
    expect(recount(spec, [record('ann'), record('rita')])).toBe('open');
    expect(recount(spec, [record('ann'), record('bob', 'approve', false)])).toBe('open');
    expect(recount({ ...spec, approvers: ['ann', 'cy'] }, [record('ann'), record('mallory')])).toBe('open');
    expect(recount(spec, [record('ann'), record('bob'), record('cy', 'reject')])).toBe('rejected');
    expect(recount(spec, [])).toBe('open');
  });
});

describe('releaseGate', () => {
  it("has the round's own rules", () => {
    const config = roundConfigSchema.parse({ gate: { needed: 2, approvers: ['a', 'b'] }, requestedBy: 'rita' });
    expect(releaseGate('demo.r0001', rulesOf(config), { digest, subject: '🦭'.repeat(600) })).toMatchObject({
      gateId: 'demo.r0001.gate-release',
      needed: 2,
      approvers: ['a', 'b'],
      requestedBy: 'rita',
      deadlineSeconds: 86_400,
      subject: '🦭'.repeat(250),
    });
  });
});

describe('expireGate', () => {
  it('does what the spec says, never an approval, and leaves a closed gate alone', () => {
    expect(gateResult(expireGate(open(), 60_000))).toMatchObject({
      outcome: 'hold',
      reason: 'no decision within 60 s',
    });
    expect(expireGate(open({ onTimeout: 'reject' }), 60_000).state).toBe('rejected');
    const { gate } = play(open({ needed: 1 }), ['approve', say('ann')]);
    expect(expireGate(gate, 60_000)).toBe(gate);
  });

  it('holds where a gate was left open', () => {
    expect(gateResult(open())).toMatchObject({ outcome: 'hold', reason: 'the gate was left before a decision' });
  });
});
