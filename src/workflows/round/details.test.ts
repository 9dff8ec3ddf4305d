import { expect, it } from 'vitest';
import { roundConfigSchema, textDigest } from '../../contract/index.js';
import { applyDecision, gateView, openGate } from '../../governance/gates.js';
import { newRunSignals } from '../runtime/run-signals.js';
import { gateMarkdown } from '../gate/details.js';
import { roundMarkdown } from './details.js';
import { RoundState } from './state.js';

const digest = textDigest('release');
const spec = {
  gateId: "ann's round.gate-release",
  roundId: "ann's round",
  kind: 'release' as const,
  subject: 'release the policy',
  digest,
  needed: 1,
  approvers: [],
  requestedBy: 'bot',
  deadlineSeconds: 60,
  onTimeout: 'hold' as const,
  requesterMayApprove: false,
  trust: 'unsigned' as const,
  policyVersion: 0,
};

const newState = () => new RoundState("ann's round", roundConfigSchema.parse({}), newRunSignals());

it('shows counts of the purpose and of the round, the best reward and the caps', () => {
  const state = newState();
  state.beginTrials('edits', 4, 1, 4);
  const soFar = { outcomes: { scored: 2, diverged: 1 }, deviceSeconds: 7.25, bestReward: 0.125 };
  expect(state.heard({ purpose: 'edits', shard: 0, soFar })).toBe(true);
  state.endTrials('edits');
  state.beginTrials('controls', 2, 0, 4);
  const text = roundMarkdown(state);
  expect(text).toContain('| trials (controls) | 0 of 2 |');
  expect(text).toContain('scored 2, diverged 1, skipped 1');
  expect(text).toContain('+0.125 over the base');
  expect(text).toContain('| device | 7.3 s |');
  expect(text).toContain('400 steps');
});

it('adds up purposes that run side by side, and goes on showing the last to end', () => {
  const state = newState();
  const scored = (count: number) => ({ outcomes: { scored: count }, deviceSeconds: 0, bestReward: null });
  state.beginTrials('controls', 2, 0, 4);
  state.beginTrials('examine', 4, 0, 4);
  state.heard({ purpose: 'controls', shard: 0, soFar: scored(1) });
  state.heard({ purpose: 'examine', shard: 0, soFar: scored(2) });
  expect(roundMarkdown(state)).toContain('| trials (controls, examine) | 3 of 6 |');
  state.endTrials('controls');
  expect(roundMarkdown(state)).toContain('| trials (examine) | 2 of 4 |');
  state.endTrials('examine');
  expect(roundMarkdown(state)).toContain('| trials (examine) | 2 of 4 |');
  expect(state.heard({ purpose: 'examine', shard: 0, soFar: scored(3) })).toBe(false);
  expect(state.shownTotal.outcomes).toEqual({ scored: 3 });
});

it('says what the corpus leaves out, once it is read', () => {
  const state = newState();
  expect(roundMarkdown(state)).not.toContain('The corpus');
  state.corpusNotes = ['left out 2 × is too long: <b>Ferry</b> `ledger`'];
  expect(roundMarkdown(state)).toContain('### The corpus\n- `left out 2 × is too long: <b>Ferry</b> ledger`');
});

it('offers no signals to a round that is over', () => {
  const state = newState();
  expect(roundMarkdown(state)).toContain('`pause`');
  state.stage = 'done';
  expect(roundMarkdown(state)).not.toContain('`pause`');
});

it('takes no report of another purpose, and none that is older than the last', () => {
  const state = newState();
  state.beginTrials('edits', 4, 0, 4);
  const soFar = (scored: number) => ({ outcomes: { scored }, deviceSeconds: 0, bestReward: null });
  expect(state.heard({ purpose: 'edits', shard: 0, soFar: soFar(2) })).toBe(true);
  expect(state.heard({ purpose: 'edits', shard: 0, soFar: soFar(1) })).toBe(false);
  expect(state.heard({ purpose: 'controls', shard: 0, soFar: soFar(3) })).toBe(false);
  expect(state.status.trials).toMatchObject({ planned: 4, done: 2 });
});

it('says how to decide at an open gate, to be pasted as it is', () => {
  const state = newState();
  state.gate = gateView(openGate(spec, 0));
  const text = roundMarkdown(state);
  const json = `{"gateId":"ann's round.gate-release","digest":"${digest}","approver":"YOUR-NAME"}`;
  expect(text).toContain(`\n${json}\n`);
  const inShell = json.replace("'", `'\\''`);
  expect(text).toContain(`temporal workflow signal -w 'ann'\\''s round.gate-release' --name approve -i '${inShell}'`);
  expect(text).toContain(`tctl workflow signal -w 'ann'\\''s round.gate-release' -n approve -i '${inShell}'`);
});

it("renders nothing of an approver's text", () => {
  const hostile = '![x](http://evil) `|` <b>';
  const message = { gateId: spec.gateId, digest, approver: hostile, note: `${hostile}\n# big` };
  const { gate } = applyDecision(openGate(spec, 0), 'reject', message, 1);
  const state = newState();
  state.gate = gateView(gate);
  const text = roundMarkdown(state);
  expect(text).toContain('- `![x](http://evil) <b>` says **reject**: counted');
  expect(text).not.toContain('\n# big');
  expect(text).not.toContain('Send a Signal');
});

it('shows messages of no use', () => {
  const state = newState();
  for (let i = 0; i < 60; i += 1) state.rejected.add({ atMs: i, signal: 'approve', reason: `why ${i}` });
  expect(roundMarkdown(state)).toContain('60 messages were of no use; the last: `approve`, `why 59`');
  expect(state.status.rejectedMessages).toHaveLength(50);
});

it('shows what a shard says of itself, and decides by what it came to', () => {
  const state = newState();
  state.beginTrials('edits', 4, 0, 1);
  const said = (counts: number, more: object = {}) => ({
    purpose: 'edits' as const,
    shard: 0,
    soFar: { outcomes: { infra_failure: counts }, deviceSeconds: 1, bestReward: null, ...more },
  });
  for (const forged of [
    said(Number.MAX_SAFE_INTEGER),
    said(5),
    { ...said(1), shard: 1 },
    { ...said(1), shard: 999 },
    { ...said(1), purpose: 'cross' as const },
    said(1, { deviceSeconds: 1e308 }),
    said(1, { bestReward: -1e300 }),
  ]) {
    expect(state.heard(forged)).toBe(false);
  }
  expect(state.heard(said(4))).toBe(true);
  expect(state.status.trials).toMatchObject({ done: 4 });
  expect(state.total.outcomes).toEqual({});
  state.ended({ purpose: 'edits', shard: 0, soFar: { outcomes: { scored: 4 }, deviceSeconds: 2, bestReward: 0.5 } });
  expect(state.heard(said(4))).toBe(false);
  expect(state.total.outcomes).toEqual({ scored: 4 });
  expect(state.status).toMatchObject({
    trials: { done: 4, outcomes: { scored: 4 } },
    bestReward: 0.5,
    deviceSeconds: 2,
  });
});

it('says in its first line what became of the release', () => {
  const state = newState();
  state.stage = 'done';
  state.release = { released: false, reason: 'rejected by bob' };
  expect(roundMarkdown(state).split('\n')[0]).toBe("## `ann's round`: done, **not** released: `rejected by bob`");
  state.release = { released: true, reason: 'released as demo/policy' };
  expect(roundMarkdown(state).split('\n')[0]).toContain('done, released: `released as demo/policy`');
});

it('says at a gate that nothing can be released any more, and that nobody is named as requester', () => {
  const { gate } = { gate: openGate({ ...spec, requestedBy: 'unknown' }, 0) };
  const text = gateMarkdown(gateView(gate, 'release 4 of x is live'));
  expect(text).toContain('**Nothing can be released any more:** `release 4 of x is live`');
  expect(text).toContain('- may decide: anybody: nobody is named as requester');
});
