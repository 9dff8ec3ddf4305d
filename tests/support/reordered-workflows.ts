// The workflows with one mistake that a deploy might bring: a trial is screened before it is proposed. The replay of the
// recorded histories must go red on it (tests/unit/histories.test.ts).
import { emptyResult, trialInputSchema, type TrialResult } from '../../src/contract/index.js';
import { activitiesOf } from '../../src/workflows/runtime/call-activity.js';

export { approvalGate, sealCampaign, sealRound, sealShard } from '../../src/workflows/index.js';

export async function selfEditTrial(input: unknown): Promise<TrialResult> {
  const { trial, settings } = trialInputSchema.parse(input);
  const { trialId } = trial;
  const call = activitiesOf(settings);
  await call('screenSelfEdit', { trialId }, 'too early');
  await call('proposeSelfEdit', { trialId }, 'too late');
  return emptyResult(trialId, 'scored', '');
}
