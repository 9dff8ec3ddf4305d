import type { Outcome, Recipe, TrialResult } from '../contract/index.js';

const longestReason = 2000;

/** The result of a trial of which nothing is known but its id. */
export const nothingYet = (trialId: string): TrialResult => ({
  trialId,
  outcome: 'infra_failure',
  reason: '',
  editDigest: null,
  trainingKey: null,
  adapter: null,
  deviceSeconds: 0,
  steps: 0,
  evaluation: null,
});

export const outcomeAs = (known: TrialResult, outcome: Outcome, reason: string): TrialResult => ({
  ...known,
  outcome,
  reason: reason.slice(0, longestReason),
});

export const describeRecipe = ({ rank, learningRate, epochs, maxSteps }: Recipe): string =>
  `rank ${rank}, lr ${learningRate}, ${epochs} epochs${maxSteps > 0 ? `, at most ${maxSteps} steps` : ''}`;
