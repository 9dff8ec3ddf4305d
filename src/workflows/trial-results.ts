import type { Outcome, Recipe, TrialResult, TrialSpec } from '../contract/index.js';

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

/** What is tried, in a few words for the lists of the Web UI. */
export const describeTrial = ({ sourceId, edit, learner, repeat }: TrialSpec): string =>
  `${sourceId} · ${describeEdit(edit)} · ${learner} learner · repeat ${repeat}`;

function describeEdit(edit: TrialSpec['edit']): string {
  switch (edit.kind) {
    case 'propose':
      return `${edit.template} by the ${edit.writer} policy`;
    case 'reuse':
      return `edit of ${edit.trialId}`;
    case 'passage':
      return 'passage alone';
  }
}

export const describeRecipe = ({ rank, learningRate, epochs, maxSteps }: Recipe): string =>
  `rank ${rank}, lr ${learningRate}, ${epochs} epochs${maxSteps > 0 ? `, at most ${maxSteps} steps` : ''}`;
