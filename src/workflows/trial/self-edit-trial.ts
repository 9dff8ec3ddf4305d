import { CancellationScope, isCancellation } from '@temporalio/workflow';
import { TemporalFailure } from '@temporalio/common';
import {
  emptyResult,
  outcomeAs,
  trialInputSchema,
  type Outcome,
  type Recipe,
  type TrialResult,
  type TrialTask,
} from '../../contract/index.js';
import { activitiesOf, type CallActivity } from '../runtime/call-activity.js';
import { deviceSecondsOf, isFailure, sentenceOf } from '../runtime/failures.js';
import { parseInput } from '../runtime/parse.js';
import { screened } from './screened.js';
import { tag } from '../runtime/search-attributes.js';

/**
 * One self-edit, tried once: written, screened, trained on, evaluated, recorded. Whatever goes wrong becomes an outcome
 * with a reason; only a ledger that cannot record it fails this workflow. Returns what the ledger holds.
 */
export async function selfEditTrial(input: unknown): Promise<TrialResult> {
  const { trial, settings } = parseInput(trialInputSchema, input, 'selfEditTrial');
  const call = activitiesOf(settings);
  const record = (result: TrialResult): Promise<TrialResult> =>
    CancellationScope.nonCancellable(() =>
      call('recordOutcome', { ...result, run: trial.run }, `${result.outcome} ${result.reason}`),
    );

  let known = emptyResult(trial.trialId, 'infra_failure', '');
  const learn = (part: Partial<TrialResult>): void => {
    known = { ...known, ...part };
  };
  let result: TrialResult;
  try {
    const firstWaitSeconds = settings.profiles.retryInitialSeconds;
    const { outcome, reason } = await attempt(trial, call, learn, firstWaitSeconds);
    result = outcomeAs(known, outcome, reason);
  } catch (error) {
    if (isCancellation(error)) {
      await record(outcomeAs(known, 'cancelled', 'the trial was cancelled'));
      throw error;
    }
    if (!(error instanceof TemporalFailure)) throw error;
    learn({ deviceSeconds: deviceSecondsOf(error) ?? known.deviceSeconds });
    result = outcomeAs(known, outcomeOf(error), sentenceOf(error));
  }
  const recorded = await record(result);
  tag(settings, { SealOutcome: recorded.outcome });
  return recorded;
}

type Ending = Pick<TrialResult, 'outcome' | 'reason'>;

/** The steps of a trial; `learn` takes what is known of it from now on, however it ends. */
async function attempt(
  { trialId, edit, about }: TrialTask,
  call: CallActivity,
  learn: (part: Partial<TrialResult>) => void,
  firstWaitSeconds: number,
): Promise<Ending> {
  const proposal = await call('proposeSelfEdit', { trialId }, about);
  learn({ editDigest: proposal.editDigest });
  if (proposal.status === 'invalid') return { outcome: 'invalid_edit', reason: proposal.reason };

  // A passage is the control, and a reused edit was let through when it was new.
  if (edit === 'propose') {
    const { verdict, outcome, reason } = await screened(trialId, call, { about, firstWaitSeconds });
    if (verdict === 'block') return { outcome: outcome ?? 'screened_out', reason };
  }

  const { training } = proposal;
  learn({ trainingKey: training.trainingKey });
  const trained = await call('trainAdapter', training, `${about} · ${describeRecipe(training.recipe)}`);
  learn({ adapter: trained.adapter, steps: trained.steps, deviceSeconds: trained.deviceSeconds });
  if (trained.updateNorm === 0) return { outcome: 'no_effect', reason: 'the training changed no weight' };

  const evaluated = await call('evaluateAdapter', { trialId, training: trained }, about);
  if (evaluated.status === 'no_effect') return { outcome: 'no_effect', reason: evaluated.reason };
  learn({ evaluation: evaluated.evaluation });
  return { outcome: 'scored', reason: '' };
}

function outcomeOf(failure: TemporalFailure): Outcome {
  if (isFailure(failure, 'Diverged')) return 'diverged';
  if (isFailure(failure, 'DeviceBudgetExceeded')) return 'stopped_early';
  return 'infra_failure';
}

const describeRecipe = ({ rank, learningRate, epochs, maxSteps }: Recipe): string =>
  `rank ${rank}, lr ${learningRate}, ${epochs} epochs${maxSteps > 0 ? `, at most ${maxSteps} steps` : ''}`;
