import { TemporalFailure } from '@temporalio/common';
import type { RoundResult } from '../../contract/index.js';
import { deviceSecondsOf, isFailure, sentenceOf } from '../runtime/failures.js';
import type { RoundContext } from './context.js';

/** The policy that a round trained, or why it has none. */
export type TrainedPolicy = { policy: NonNullable<RoundResult['policy']> } | { policy: null; reason: string };

/** Trains the policy layer on the chosen pairs and records it. */
export async function trainPolicy(round: RoundContext): Promise<TrainedPolicy> {
  const { roundId, call, state } = round;
  const { pairs, training, refused } = await call(
    'buildPolicyTraining',
    { roundId },
    'pairs of prompt and chosen edit',
  );
  if (training === null) {
    return { policy: null, reason: refused ?? 'no edit was chosen, so there is nothing to train a policy on' };
  }
  try {
    const trained = await call('trainAdapter', training, `policy layer on ${pairs} pairs`, 'trainPolicy');
    state.trainedPolicy(trained.deviceSeconds);
    if (trained.updateNorm === 0) return { policy: null, reason: "the policy's training changed no weight" };
    await call('recordPolicy', { roundId, training: trained }, `${pairs} pairs`);
    return { policy: { adapter: trained.adapter, pairs, trainingKey: trained.trainingKey } };
  } catch (error) {
    if (!(error instanceof TemporalFailure)) throw error;
    state.trainedPolicy(deviceSecondsOf(error) ?? 0);
    const noPolicy = isFailure(error, 'Diverged') || isFailure(error, 'DeviceBudgetExceeded');
    if (noPolicy) return { policy: null, reason: `the policy could not be trained: ${sentenceOf(error)}` };
    throw error;
  }
}
