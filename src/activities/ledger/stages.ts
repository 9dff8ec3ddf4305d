import type { ActivityRequest, LedgerActivities, RoundStage } from '../../contract/index.js';
import type { Design } from '../../experiment/design.js';
import type { LedgerDeps } from './deps.js';

type Name = keyof LedgerActivities;

/** The first activity that a round asks for at each stage: by it the ledger knows where the round is. */
const entered: { [N in Name]?: (request: ActivityRequest<N>, design: Design) => RoundStage | undefined } = {
  planTrials: ({ purpose }, { purposes }) => purposes.find(({ name }) => name === purpose)?.stage,
  selectEdits: () => 'selecting',
  buildPolicyTraining: () => 'policy',
  recordPolicy: () => 'confirming',
  buildReport: () => 'examining',
  openGate: () => 'gate',
  releasePolicy: () => 'releasing',
};

/** Tells the ledger the stage that a round enters with an activity, so that it can be read where no worker answers. */
export async function noteStage<N extends Name>(
  { ledger, design }: LedgerDeps,
  name: N,
  request: ActivityRequest<N>,
): Promise<void> {
  const stage = entered[name]?.(request, design);
  if (stage !== undefined && 'roundId' in request && typeof request.roundId === 'string') {
    await ledger.rounds.enter(request.roundId, stage);
  }
}
