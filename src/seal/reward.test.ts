import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gradeAnswer } from './grading.js';
import { meanScores, rewardOf } from './reward.js';

const graded = (answer: string, logLikelihood: number | null) => ({
  grade: gradeAnswer('grey seal', answer),
  logLikelihood,
});
const scores = (match: number, logLikelihood: number | null = null, questions = 4) => ({
  questions,
  match,
  exactMatch: 0,
  f1: 0,
  logLikelihood,
});

describe('meanScores', () => {
  it('is worked by hand', () => {
    expect(meanScores([graded('grey seal', -1), graded('seal', -3)])).toEqual({
      questions: 2,
      match: 0.5,
      exactMatch: 0.5,
      f1: (1 + 2 / 3) / 2,
      logLikelihood: -2,
    });
  });

  it('has no log-likelihood where one is missing, and none over nothing', () => {
    expect(meanScores([graded('seal', -1), graded('seal', null)]).logLikelihood).toBeNull();
    expect(meanScores([])).toMatchObject({ questions: 0, logLikelihood: null });
  });
});

describe('rewardOf', () => {
  const blend = { measure: 'blend', canaryPenalty: 0.5 } as const;

  it('is gain less penalty, with both parts', () => {
    const canaries = { asked: 10, lost: 2 };
    const reward = rewardOf({ after: scores(0.75, -1), before: scores(0.25, -3), canaries, reward: blend });
    // a quarter of one of four questions, two thirds of it for two nats
    expect(reward.gain).toBeCloseTo(0.5 + (0.25 / 4) * (2 / 3));
    expect(reward.penalty).toBeCloseTo(0.1);
    expect(reward.total).toBeCloseTo(0.4417, 4);
  });

  it('blends so that likelihood orders ties and never outweighs a question, however many there are', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }).chain((questions) =>
          fc.record({
            questions: fc.constant(questions),
            won: fc.tuple(fc.nat(questions), fc.nat(questions)),
            nats: fc.tuple(
              fc.double({ min: -1e3, max: 0, noNaN: true }),
              fc.double({ min: -1e3, max: 0, noNaN: true }),
            ),
          }),
        ),
        ({ questions, won, nats }) => {
          const [one, other] = [0, 1].map((i) => {
            const after = scores((won[i] ?? 0) / questions, nats[i] ?? 0, questions);
            return rewardOf({ after, before: scores(0, -5, questions), canaries: null, reward: blend }).total;
          });
          const order = Math.sign(won[0] - won[1]) || Math.sign(nats[0] - nats[1]);
          // likelihoods may be alike to the last bits
          const seen = Math.sign((one ?? 0) - (other ?? 0));
          expect(won[0] === won[1] ? [0, order] : [order]).toContain(seen);
        },
      ),
    );
    const gains = [-30, -2, -1, -0.01].map(
      (nats) => rewardOf({ after: scores(0.5, nats), before: scores(0.5, -5), canaries: null, reward: blend }).gain,
    );
    expect(gains).toEqual([...new Set(gains)].sort((a, b) => a - b));
  });

  it('measures what it is told to', () => {
    const of = { after: scores(0.75, -1), before: scores(0.25, -3), canaries: null };
    expect(rewardOf({ ...of, reward: { ...blend, measure: 'match' } }).total).toBe(0.5);
    expect(rewardOf({ ...of, reward: { ...blend, measure: 'likelihood' } }).total).toBe(2);
  });

  it('blends without log-likelihoods to the match alone, and says where they are needed', () => {
    const of = { after: scores(0.5), before: scores(0.5, -3), canaries: { asked: 0, lost: 0 } };
    expect(rewardOf({ ...of, reward: blend }).total).toBe(0);
    expect(() => rewardOf({ ...of, reward: { ...blend, measure: 'likelihood' } })).toThrow(/reward\.measure/);
  });

  it('gives none for nothing asked: a failure is not a 0', () => {
    const none = scores(0, null, 0);
    expect(() => rewardOf({ after: none, before: none, canaries: null, reward: blend })).toThrow(RangeError);
  });
});
