import { describe, expect, it } from 'vitest';
import { parseConfig, roundConfigProblems, roundConfigSchema, type RoundConfigInput } from './config.js';
import { decisionMessageSchema, decisionRecordSchema } from './gates.js';
import { undecodableReason } from './payload-converter.js';

const problemsOf = (input: RoundConfigInput): string => {
  const parsed = parseConfig(roundConfigSchema, input);
  return (parsed.ok ? roundConfigProblems(parsed.value) : parsed.problems).join('\n');
};

describe('a gate that nobody can satisfy', () => {
  it.each([
    ['one person twice', { gate: { needed: 2, approvers: ['ann', 'Ann '] } }],
    ['one person, invisibly twice', { gate: { needed: 2, approvers: ['ann', 'a\u200bnn'] } }],
    ['the requester alone', { gate: { approvers: ['bob'] }, requestedBy: 'BOB' }],
    ['the requester among too few', { gate: { needed: 2, approvers: ['ann', 'b\u00adob'] }, requestedBy: 'bob' }],
    ['nobody to see', { gate: { approvers: ['\u200b'] } }],
    ['a requester whom nobody sees', { requestedBy: '\u2060' }],
    ['names too long together', { gate: { approvers: Array.from({ length: 30 }, (_, i) => `${i}${'n'.repeat(90)}`) } }],
  ])('is refused: %s', (_what, input) => {
    expect(problemsOf(input)).toMatch(/^(gate\.approvers|requestedBy): /);
  });

  it.each([
    { gate: { needed: 2, approvers: ['ann', 'bob'] } },
    { gate: { needed: 20 } },
    { gate: { needed: 1, approvers: ['ann', 'bob'] }, requestedBy: 'bob' },
  ])('is not %j', (input) => expect(problemsOf(input)).toBe(''));
});

describe('broken text', () => {
  it('is a problem of a config, with its place', () => {
    expect(problemsOf({ model: 'a\ud800' })).toBe('model: holds half of a surrogate pair (a broken character)');
    expect(problemsOf({ gate: { approvers: ['ann', '\udc00'] } })).toContain('gate.approvers.1: ');
  });

  it.each(['gateId', 'approver', 'key'])('makes a decision malformed, in %s', (field) => {
    const message = { gateId: 'g', digest: 'a'.repeat(64), approver: 'ann' };
    expect(decisionMessageSchema.safeParse(message).success).toBe(true);
    for (const text of ['\ud800', 'a\u0000', 'a\nb', '\u001b[2J', '']) {
      expect(decisionMessageSchema.safeParse({ ...message, [field]: text }).success).toBe(false);
    }
  });

  it('has no time that is none', () => {
    const record = { approver: 'a', decision: 'approve', note: null, key: 'k', atMs: 1, counted: true, reason: '' };
    expect(decisionRecordSchema.safeParse(record).success).toBe(true);
    for (const atMs of [1e300, -1, 0.5, NaN, 9e15])
      expect(decisionRecordSchema.safeParse({ ...record, atMs }).success).toBe(false);
  });

  it('in a sentinel that somebody sent is read without a throw', () => {
    for (const reason of [{ toString: null }, null, 7, {}]) {
      expect(undecodableReason({ __undecodable: true, reason })).toBe('no reason is given');
    }
  });
});
