import { describe, expect, it } from 'vitest';
import { decide } from '../../examples/approval-bot/rule.mjs';

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
