import { expect, it } from 'vitest';
import { textDigest, type DecisionRecord } from '../../contract/index.js';
import { applyDecision, gateView, openGate } from '../../governance/gates.js';
import { decidedText, gateText, listText } from './text.js';

const digest = textDigest('release');
const spec = {
  gateId: 'x$(touch pwned);.gate-release',
  roundId: 'x$(touch pwned);',
  kind: 'release' as const,
  subject: 'release \u001b[31mit',
  digest,
  needed: 2,
  approvers: [],
  requestedBy: 'unknown',
  deadlineSeconds: 60,
  onTimeout: 'hold' as const,
  requesterMayApprove: false,
  trust: 'unsigned' as const,
  policyVersion: 0,
};
const hostile = {
  gateId: spec.gateId,
  digest,
  approver: 'ro\u200bot',
  note: '\u001b]0;pwned\u0007\u009b2J\nreject mallory',
};
const { gate, verdict } = applyDecision(openGate(spec, 0), 'approve', hostile, 1);

it('lets nothing of others reach the terminal as it is, and quotes what is pasted', () => {
  const text = gateText(gateView(gate, 'release 4 of \u001bx is live'));
  // eslint-disable-next-line no-control-regex -- what a terminal obeys
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b]/);
  expect(text).toContain('approve   ro\\u{200b}ot: \\u{1b}]0;pwned\\u{7}\\u{9b}2J\\u{a}reject mallory');
  expect(text).toContain("npx selkie gate approve 'x$(touch pwned);' --as NAME");
  expect(text).toContain('nothing can be released any more: release 4 of \\u{1b}x is live');
  expect(text).toContain('2 of anybody (nobody is named as requester); there are 1');
});

it('lists a gate that does not answer beside the others', () => {
  const text = listText([
    { gate: gateView(gate), silence: null },
    { gateId: 'y\u001b.gate-release', problem: 'does not answer' },
  ]);
  expect(text).toContain('y\\u{1b}.gate-release: does not answer');
  expect(text).toContain('touch pwned');
  expect(listText([])).toBe('no gate is open');
});

it('says what became of a decision and of the release', () => {
  const record = verdict.record as DecisionRecord;
  const view = gateView(gate);
  expect(decidedText({ view, verdict: { ...record, reason: '1 of 2', counted: true }, release: null })).toMatch(
    /^counted: 1 of 2\nnot released yet: 1 of 2 approvals\n/,
  );
  const approved = { ...view, state: 'approved' as const };
  const counted = { ...record, counted: true, reason: '2 of 2' };
  expect(decidedText({ view: approved, verdict: counted, release: { released: false, reason: 'no' } })).toMatch(
    /^counted: 2 of 2\nnot released: no\n/,
  );
});
