import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { meanScores, pooledScores, rewardOf } from './reward.js';

const scores = (match: number, logLikelihood: number | null = null, questions = 4) => ({
  questions,
  means: { match, logLikelihood },
});

describe('meanScores', () => {
  it('is worked by hand', () => {
    const answers = [
      { match: 1, f1: 1, logLikelihood: -1 },
      { match: 0, f1: 2 / 3, logLikelihood: -3 },
    ];
    expect(meanScores(answers)).toEqual({
      questions: 2,
      means: { match: 0.5, f1: (1 + 2 / 3) / 2, logLikelihood: -2 },
    });
  });

  it('has no mean of a component that an answer lacks, and none over nothing', () => {
    const answers = [{ match: 1, logLikelihood: -1 }, { match: 1, logLikelihood: null }, { match: 1 }];
    expect(meanScores(answers).means).toEqual({ match: 1, logLikelihood: null });
    expect(meanScores([])).toEqual({ questions: 0, means: {} });
  });
});

it('pools scores by the number of their questions', () => {
  const [one, other] = [scores(1, -1, 3), scores(0, -5, 1)];
  expect(pooledScores(one, other)).toEqual(scores(0.75, -2, 4));
  expect(pooledScores(one, scores(0, null, 1)).means['logLikelihood']).toBeNull();
  expect(pooledScores(one, meanScores([]))).toEqual(one);
  expect(pooledScores(meanScores([]), other)).toEqual(other);
});

describe('rewardOf', () => {
  const primary = 'match';
  const blend = { measure: 'blend', canaryPenalty: 0.5 };

  it('is gain less penalty, with both parts', () => {
    const canaries = { asked: 10, lost: 2 };
    const reward = rewardOf({ after: scores(0.75, -1), before: scores(0.25, -3), canaries, primary, reward: blend });
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
            return rewardOf({ after, before: scores(0, -5, questions), canaries: null, primary, reward: blend }).total;
          });
          const order = Math.sign(won[0] - won[1]) || Math.sign(nats[0] - nats[1]);
          // likelihoods may be alike to the last bits
          const seen = Math.sign((one ?? 0) - (other ?? 0));
          expect(won[0] === won[1] ? [0, order] : [order]).toContain(seen);
        },
      ),
    );
    const gains = [-30, -2, -1, -0.01].map(
      (nats) =>
        rewardOf({ after: scores(0.5, nats), before: scores(0.5, -5), canaries: null, primary, reward: blend }).gain,
    );
    expect(gains).toEqual([...new Set(gains)].sort((a, b) => a - b));
  });

  it('measures what it is told to', () => {
    const of = { after: scores(0.75, -1), before: scores(0.25, -3), canaries: null, primary };
    expect(rewardOf({ ...of, reward: { ...blend, measure: 'match' } }).total).toBe(0.5);
    expect(rewardOf({ ...of, reward: { ...blend, measure: 'logLikelihood' } }).total).toBe(2);
  });

  it('blends without log-likelihoods to the match alone, and says where they are needed', () => {
    const of = { after: scores(0.5), before: scores(0.5, -3), canaries: { asked: 0, lost: 0 }, primary };
    expect(rewardOf({ ...of, reward: blend }).total).toBe(0);
    expect(() => rewardOf({ ...of, reward: { ...blend, measure: 'logLikelihood' } })).toThrow(/reward\.measure/);
  });

  it('gives none for nothing asked: a failure is not a 0', () => {
    const none = scores(0, null, 0);
    expect(() => rewardOf({ after: none, before: none, canaries: null, primary, reward: blend })).toThrow(RangeError);
  });
});
