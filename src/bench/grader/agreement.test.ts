import { describe, expect, it } from 'vitest';
import { accuracyOf, agreementOf, kappaOf, type Judged } from './agreement.js';

/** 20 agree on yes, 15 on no; 5 and 10 differ: accuracy 0.7, by chance 0.5, so κ 0.4. */
const worked = { both: 20, onlyGrader: 5, onlyJudge: 10, neither: 15 };

const judged = (article: string, grader: boolean, judge: boolean, weight = 1): Judged => ({
  article,
  grader,
  judge,
  weight,
});

describe('agreement', () => {
  it('worked by hand', () => {
    expect(accuracyOf(worked)).toBeCloseTo(0.7);
    expect(kappaOf(worked)).toBeCloseTo(0.4);
  });

  it('is that of all answers, with an interval over articles', () => {
    const alike = ['one', 'two', 'three', 'four', 'five', 'six'].flatMap((article, i) => [
      judged(article, true, true, 3),
      judged(article, false, false, 3),
      judged(article, true, i % 2 === 0),
    ]);
    const { articles, answers, accuracy, kappa, confusion } = agreementOf(alike);
    expect({ articles, answers, confusion }).toEqual({
      articles: 6,
      answers: 42,
      confusion: { both: 21, onlyGrader: 3, onlyJudge: 0, neither: 18 },
    });
    expect(accuracy.estimate).toBeCloseTo(39 / 42);
    for (const { estimate, low, high } of [accuracy, kappa]) {
      expect(low ?? 1).toBeLessThan(estimate ?? 0);
      expect(high ?? 0).toBeGreaterThan(estimate ?? 1);
    }
  });

  it('is perfect, and nothing, where it is so', () => {
    expect(kappaOf({ both: 5, onlyGrader: 0, onlyJudge: 0, neither: 5 })).toBe(1);
    expect(kappaOf({ both: 5, onlyGrader: 5, onlyJudge: 5, neither: 5 })).toBe(0);
  });
});
