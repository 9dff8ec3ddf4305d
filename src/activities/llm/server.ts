import { failure, likelihoodComponent, type ActivityRequest, type ActivityResult } from '../../contract/index.js';
import { refusedStatus, UnreadableAnswer } from '../../inference/index.js';
import type { LlmRun } from './deps.js';

/**
 * Whether this worker's server can do what the round asks of it, before anything is spent.
 * @throws ServerRefused where it serves another model, InvalidConfig where the reward needs what it does not give
 */
export async function checkServer(
  { ledger, leases, signal }: LlmRun,
  { roundId }: ActivityRequest<'checkServer'>,
): Promise<ActivityResult<'checkServer'>> {
  const { config } = await ledger.rounds.get(roundId);
  const served = await leases.base(config.model, signal);
  if (config.reward.measure !== likelihoodComponent) return {};
  try {
    await served.logLikelihood({ kind: 'text', text: 'A seal is' }, ' an animal');
  } catch (error) {
    // anything else than a refusal may be better at the next attempt
    if (!(error instanceof UnreadableAnswer) && refusedStatus(error) === null) throw error;
    const reason = (error as Error).message;
    throw failure(
      'InvalidConfig',
      `reward.measure: "${likelihoodComponent}" needs log-probabilities, which the model server does not give (${reason}); use another component`,
    );
  }
  return {};
}
