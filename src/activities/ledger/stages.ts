import type { ActivityRequest, LedgerActivities, Purpose, RoundStage } from '../../contract/index.js';
import type { Ledger } from '../../ledger/index.js';

type Name = keyof LedgerActivities;

/** Trials of any other purpose run beside the training of the policy. */
const stageOfPurpose: Partial<Record<Purpose, RoundStage>> = {
  edits: 'trials',
  examine: 'examining',
  cross: 'examining',
  controls: 'examining',
};

/** The first activity that a round asks for at each stage: by it the ledger knows where the round is. */
const entered: { [N in Name]?: (request: ActivityRequest<N>) => RoundStage | null } = {
  planTrials: ({ purpose }) => stageOfPurpose[purpose] ?? null,
  selectEdits: () => 'selecting',
  buildPolicyTraining: () => 'policy',
  recordPolicy: () => 'confirming',
  buildReport: () => 'examining',
  openGate: () => 'gate',
  releasePolicy: () => 'releasing',
};

/** Tells the ledger the stage that a round enters with an activity, so that it can be read where no worker answers. */
export async function noteStage<N extends Name>(
  { rounds }: Pick<Ledger, 'rounds'>,
  name: N,
  request: ActivityRequest<N>,
): Promise<void> {
  const stage = entered[name]?.(request) ?? null;
  if (stage !== null && 'roundId' in request && typeof request.roundId === 'string') {
    await rounds.enter(request.roundId, stage);
  }
}
