import { likelihoodComponent, type Components, type Reward, type RoundConfig, type Scores } from '../contract/index.js';

/** What `blend` adds for a log-likelihood's gain stays within this share of one question, either way: it orders ties alone. */
const tieShare = 0.25;

/** Means over the answers. One missing number makes the mean null: means over different questions do not compare. */
export function meanScores(answers: Components[]): Scores {
  const names = new Set(answers.flatMap((components) => Object.keys(components)));
  const meanOf = (name: string): number | null => {
    const known = answers.flatMap((components) => components[name] ?? []);
    return known.length < answers.length ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
  };
  return { questions: answers.length, means: Object.fromEntries([...names].map((name) => [name, meanOf(name)])) };
}

/** Scores on two sets of questions as one. */
export function pooledScores(one: Scores, other: Scores): Scores {
  const questions = one.questions + other.questions;
  if (one.questions === 0 || other.questions === 0) return one.questions === 0 ? other : one;
  const pooled = (name: string): number | null => {
    const [left, right] = [one.means[name], other.means[name]];
    return left == null || right == null ? null : (left * one.questions + right * other.questions) / questions;
  };
  const names = new Set([...Object.keys(one.means), ...Object.keys(other.means)]);
  return { questions, means: Object.fromEntries([...names].map((name) => [name, pooled(name)])) };
}

/**
 * Gain of `after` over `before` on the same questions, less the penalty for canaries lost. `blend` without log-likelihoods
 * is the gain in the primary component.
 *
 * @param primary the component that the domain names as its primary one
 * @throws RangeError if nothing was asked, if the two differ in number, or if they lack the component
 */
export function rewardOf(of: {
  after: Scores;
  before: Scores;
  canaries: { asked: number; lost: number } | null;
  primary: string;
  reward: Pick<RoundConfig['reward'], 'measure' | 'canaryPenalty'>;
}): Reward {
  const { after, before, canaries, primary, reward } = of;
  if (after.questions === 0 || after.questions !== before.questions) {
    throw new RangeError(`no reward from ${after.questions} questions after and ${before.questions} before training`);
  }
  const gain =
    reward.measure === 'blend' ? blendedGain(after, before, primary) : expectGain(after, before, reward.measure);
  const lost = canaries === null || canaries.asked === 0 ? 0 : canaries.lost / canaries.asked;
  const penalty = reward.canaryPenalty * lost;
  return { gain, penalty, total: gain - penalty };
}

function blendedGain(after: Scores, before: Scores, primary: string): number {
  const likelihood = gainIn(likelihoodComponent, after, before) ?? 0;
  return expectGain(after, before, primary) + (tieShare * bounded(likelihood)) / after.questions;
}

function expectGain(after: Scores, before: Scores, component: string): number {
  const gain = gainIn(component, after, before);
  if (gain !== null) return gain;
  throw new RangeError(`the answers have no number for "${component}": set reward.measure to another component`);
}

function gainIn(component: string, after: Scores, before: Scores): number | null {
  const [later, earlier] = [after.means[component], before.means[component]];
  return later == null || earlier == null ? null : later - earlier;
}

/** Between -1 and 1, in the order of the numbers, and never flat. */
const bounded = (gain: number): number => gain / (1 + Math.abs(gain));
