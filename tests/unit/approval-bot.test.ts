import { describe, expect, it } from 'vitest';
import { decide, hasDecided } from '../../examples/approval-bot/rule.mjs';

const limits = { tolerance: 0.05, lostShare: 0.25 };
const evidence = { before: 0.4, after: 0.4, questions: 12, canariesLost: 1, canariesAsked: 8 };

describe("the approval bot's rule", () => {
  it('approves a policy that is no worse, and gives the numbers', () => {
    expect(decide(evidence, limits)).toEqual({
      decision: 'approve',
      note: 'held-out match 40.0 % before, 40.0 % after (12 questions); 1 of 8 canaries lost',
    });
    expect(decide({ ...evidence, after: 0.36 }, limits).decision).toBe('approve');
  });

  it.each([
    ['worse than the tolerance', { after: 0.3 }, 'worse by more than 5.0 %'],
    ['that was not compared', { after: null }, 'not compared'],
    ['without held-out questions', { questions: 0 }, 'not compared'],
    ['that forgets', { canariesLost: 3 }, '3 of 8 canaries lost, and at most 25.0 % may be'],
    ['whose canaries were not asked', { canariesLost: null }, 'is not known'],
  ])('rejects a policy %s', (_what, change, reason) => {
    const { decision, note } = decide({ ...evidence, ...change }, limits);
    expect(decision).toBe('reject');
    expect(note).toContain(reason);
  });
});

describe('whether the bot has decided', () => {
  const gate = { state: 'open', spec: { digest: 'd' }, decisions: [{ approver: 'demo-bot', counted: true }] };
  it('takes its own decision that counted, and no message in its name that did not', () => {
    expect(hasDecided(gate, { digest: 'd' }, 'demo-bot')).toBe(true);
    const silenced = { ...gate, decisions: [{ approver: 'demo-bot', counted: false }] };
    expect(hasDecided(silenced, { digest: 'd' }, 'demo-bot')).toBe(false);
    expect(hasDecided(gate, { digest: 'd' }, 'another')).toBe(false);
  });

  it('has nothing to decide at a gate that ended, or about other content', () => {
    expect(hasDecided({ ...gate, state: 'hold', decisions: [] }, { digest: 'd' }, 'demo-bot')).toBe(true);
    expect(hasDecided({ ...gate, decisions: [] }, { digest: 'other' }, 'demo-bot')).toBe(true);
  });
});
