import type { OutcomeCounts, RetentionNumbers } from '../contract/index.js';
import type { Trial } from '../ledger/index.js';
import type { RetentionAnswers } from './evidence.js';

/** Old against new policy on questions of no document; those that only one of them was asked are left out. */
export function retentionNumbers(answers: RetentionAnswers[]): RetentionNumbers {
  const before = answers.filter(({ old }) => old !== null);
  const both = before.filter((answer) => answer.new !== null);
  if (both.length === 0) {
    return { asked: before.length, rightBefore: countRight(before, 'old'), rightAfter: null, lost: null };
  }
  return {
    asked: both.length,
    rightBefore: countRight(both, 'old'),
    rightAfter: countRight(both, 'new'),
    lost: both.filter((answer) => answer.old === true && answer.new === false).length,
  };
}

/** Recorded outcomes; trials without one (a round that was cancelled) are not counted. */
export function outcomeCounts(trials: Trial[]): OutcomeCounts {
  const counts: OutcomeCounts = {};
  for (const { result } of trials) {
    if (result !== null) counts[result.outcome] = (counts[result.outcome] ?? 0) + 1;
  }
  return counts;
}

/** Trainings that were done before, for other trials. */
export const reusedTrainings = (trials: Trial[]): number =>
  trials.filter(({ result }) => result?.reused === true).length;

/** Of the canaries that the learners of these trials knew: all of them together, and the trial that lost most. */
export function canariesLostBy(trials: Trial[]): { asked: number; lost: number; worst: number | null } {
  const counted = trials.flatMap(({ result }) => result?.evaluation?.canaries ?? []);
  const shares = counted.filter(({ asked }) => asked > 0).map(({ asked, lost }) => lost / asked);
  return {
    asked: counted.reduce((sum, { asked }) => sum + asked, 0),
    lost: counted.reduce((sum, { lost }) => sum + lost, 0),
    worst: shares.length === 0 ? null : shares.reduce((most, share) => Math.max(most, share)),
  };
}

/** Seconds of the device; a training that several trials share (the same key) was done once. */
export function deviceSecondsOf(trials: Trial[]): number {
  const byKey = new Map<string, number>();
  for (const { spec, result } of trials) {
    if (result === null) continue;
    const key = result.trainingKey ?? spec.trialId;
    byKey.set(key, Math.max(byKey.get(key) ?? 0, result.deviceSeconds));
  }
  return [...byKey.values()].reduce((sum, seconds) => sum + seconds, 0);
}

const countRight = (answers: RetentionAnswers[], policy: 'old' | 'new'): number =>
  answers.filter((answer) => answer[policy] === true).length;
