import { ActivityCancellationType, type ActivityOptions } from '@temporalio/workflow';
import {
  gpuActivityNames,
  infoQueueOf,
  llmActivityNames,
  nonRetryableErrorTypes,
  taskQueues,
  type ActivityName,
  type Profiles,
  type RunSettings,
} from '../../contract/index.js';
import { awaitedTypes } from './patience.js';

export type ProfileName = Exclude<keyof Profiles, 'heartbeatSeconds' | 'retryInitialSeconds'>;

/** Which profile an activity has: its effect on the world decides how it may be repeated. */
const profileOf: Record<ActivityName, ProfileName> = {
  resumeCampaign: 'readOnly',
  endOrphans: 'publishOnce',
  endWithParent: 'readOnly',
  claimRound: 'publishOnce',
  prepareRound: 'publishOnce',
  planTrials: 'publishOnce',
  loadShard: 'publishOnce',
  recordOutcome: 'publishOnce',
  selectEdits: 'publishOnce',
  buildPolicyTraining: 'publishOnce',
  recordPolicy: 'publishOnce',
  buildReport: 'publishOnce',
  openGate: 'publishOnce',
  recordDecisions: 'publishOnce',
  closeGate: 'publishOnce',
  checkRelease: 'readOnly',
  releasePolicy: 'publishOnce',
  closeRound: 'publishOnce',
  checkServer: 'readOnly',
  measureBaseline: 'evaluate',
  proposeSelfEdit: 'generate',
  screenSelfEdit: 'readOnly',
  evaluateAdapter: 'evaluate',
  describeModel: 'readOnly',
  trainAdapter: 'train',
};

const { TRY_CANCEL, WAIT_CANCELLATION_COMPLETED } = ActivityCancellationType;

/** Who waits for a cancelled activity to end. */
const cancellationOf: Record<ProfileName, ActivityCancellationType> = {
  // Changes nothing: do not wait for it once its answer is not needed.
  readOnly: TRY_CANCEL,
  // Costs tokens and seconds; a finished proposal is found again in the ledger, so a repeat costs only what was lost.
  generate: WAIT_CANCELLATION_COMPLETED,
  // Holds a slot of the device: a cancelled workflow has not ended before the slot is free. Resumes from its checkpoint.
  train: WAIT_CANCELLATION_COMPLETED,
  trainPolicy: WAIT_CANCELLATION_COMPLETED,
  // Leases an adapter on the server, and must have given it back. Answers already recorded are not asked again.
  evaluate: WAIT_CANCELLATION_COMPLETED,
  // One transaction in which the first write wins: a repeat changes nothing, and its end tells whether it happened.
  publishOnce: WAIT_CANCELLATION_COMPLETED,
};

/**
 * The options of one activity in a round. Time is bounded by attempt, and attempts by number; there is no total clock
 * (schedule-to-close) because it would run while the work queues behind a busy device.
 */
export function activityOptions(
  name: ActivityName,
  { tenant, profiles, ...queues }: RunSettings,
  profile: ProfileName = profileOf[name],
): ActivityOptions {
  return {
    taskQueue: queueOf(name, queues),
    priority: { fairnessKey: tenant },
    startToCloseTimeout: seconds(profiles[profile].startToCloseSeconds),
    // short ones too: only a missing heartbeat shows that the worker which ran it was killed
    heartbeatTimeout: seconds(profiles.heartbeatSeconds),
    cancellationType: cancellationOf[profile],
    retry: {
      initialInterval: seconds(profiles.retryInitialSeconds),
      backoffCoefficient: 2,
      maximumInterval: '1 minute',
      maximumAttempts: profiles[profile].attempts,
      // what is waited for is not retried by the server, which would use up attempts: see `activitiesOf`
      nonRetryableErrorTypes: [...nonRetryableErrorTypes, ...awaitedTypes],
    },
  };
}

const seconds = (n: number): number => Math.ceil(n * 1000);

function queueOf(name: ActivityName, { gpuQueue, llmQueue }: Pick<RunSettings, 'gpuQueue' | 'llmQueue'>): string {
  const among = (names: readonly ActivityName[]): boolean => names.includes(name);
  if (among(llmActivityNames)) return llmQueue;
  if (name === 'describeModel') return infoQueueOf(gpuQueue);
  return among(gpuActivityNames) ? gpuQueue : taskQueues.workflow;
}
