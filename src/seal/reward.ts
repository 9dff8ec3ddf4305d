import type { Reward, RoundConfig, Scores } from '../contract/index.js';
import type { Grade } from './grading.js';

/** One answer: its grade, and the reference answer's mean log-likelihood per token (null: the server gives none). */
export interface Graded {
  grade: Grade;
  logLikelihood: number | null;
}

/** What `blend` adds for a log-likelihood's gain stays within this share of one question, either way: it orders ties alone. */
const tieShare = 0.25;

/** Means over the questions. One missing log-likelihood makes the mean null: means over different questions do not compare. */
export function meanScores(graded: Graded[]): Scores {
  const mean = (value: (g: Graded) => number): number =>
    graded.length === 0 ? 0 : graded.reduce((sum, g) => sum + value(g), 0) / graded.length;
  const complete = graded.length > 0 && graded.every((g) => g.logLikelihood !== null);
  return {
    questions: graded.length,
    match: mean(({ grade }) => Number(grade.match)),
    exactMatch: mean(({ grade }) => Number(grade.exactMatch)),
    f1: mean(({ grade }) => grade.f1),
    logLikelihood: complete ? mean((g) => g.logLikelihood ?? 0) : null,
  };
}

/**
 * Gain of `after` over `before` on the same questions, less the penalty for canaries lost. `blend` without log-likelihoods
 * is the gain in match.
 * @throws RangeError if nothing was asked, if the two differ in number, or if `likelihood` is asked for and there is none
 */
export function rewardOf(of: {
  after: Scores;
  before: Scores;
  canaries: { asked: number; lost: number } | null;
  reward: Pick<RoundConfig['reward'], 'measure' | 'canaryPenalty'>;
}): Reward {
  const { after, before, canaries, reward } = of;
  if (after.questions === 0 || after.questions !== before.questions) {
    throw new RangeError(`no reward from ${after.questions} questions after and ${before.questions} before training`);
  }
  const gain = gainOf(after, before, reward.measure);
  const lost = canaries === null || canaries.asked === 0 ? 0 : canaries.lost / canaries.asked;
  const penalty = reward.canaryPenalty * lost;
  return { gain, penalty, total: gain - penalty };
}

function gainOf(after: Scores, before: Scores, measure: RoundConfig['reward']['measure']): number {
  const match = after.match - before.match;
  if (measure === 'match') return match;
  const likelihood =
    after.logLikelihood === null || before.logLikelihood === null ? null : after.logLikelihood - before.logLikelihood;
  if (measure === 'blend') return match + (tieShare * bounded(likelihood ?? 0)) / after.questions;
  if (likelihood === null) {
    throw new RangeError('the model server gives no log-likelihoods: set reward.measure to "match"');
  }
  return likelihood;
}

/** Between -1 and 1, in the order of the numbers, and never flat. */
const bounded = (gain: number): number => gain / (1 + Math.abs(gain));
