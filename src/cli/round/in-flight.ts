import { defaultPayloadConverter } from '@temporalio/common';
import type { Client, WorkflowExecutionDescription } from '@temporalio/client';
import { trainHeartbeatSchema, workflowTypes, type ActivityName } from '../../contract/index.js';

/** How many trials are asked what they do; a larger round shows what these do. */
const most = 50;

type PendingActivity = NonNullable<WorkflowExecutionDescription['raw']['pendingActivities']>[number];

/** What the trials under way are doing at this moment. */
export interface InFlight {
  writing: number;
  screening: number;
  /** those that wait for a slot on the device not counted in */
  training: number;
  waitingForDevice: number;
  evaluating: number;
  /** of the trainings that have begun, all together */
  step: number;
  totalSteps: number;
}

/**
 * Asks the server what each trial of a round waits for. Read from Temporal, not from the trials, so that a round of any
 * size writes no event for it.
 */
export async function trialsInFlight(client: Client, roundId: string): Promise<InFlight> {
  const running = client.workflow.list({
    query: `WorkflowType = '${workflowTypes.trial}' AND ExecutionStatus = 'Running' AND WorkflowId STARTS_WITH '${roundId.replaceAll("'", "''")}.'`,
    pageSize: most,
  });
  const ids: string[] = [];
  for await (const { workflowId } of running) {
    ids.push(workflowId);
    if (ids.length === most) break;
  }
  const described = await Promise.allSettled(ids.map((id) => client.workflow.getHandle(id).describe()));
  // one that has just ended is no longer in flight
  return countedUp(
    described.flatMap((one) => (one.status === 'fulfilled' ? (one.value.raw.pendingActivities ?? []) : [])),
  );
}

/** The same in words; empty when nothing is in flight, or the server does not say. */
export async function trialsDoing(client: Client, roundId: string): Promise<string> {
  return trialsInFlight(client, roundId).then(inFlightText, () => '');
}

/** Exported for its test. */
export function countedUp(activities: readonly PendingActivity[]): InFlight {
  const count: InFlight = {
    writing: 0,
    screening: 0,
    training: 0,
    waitingForDevice: 0,
    evaluating: 0,
    step: 0,
    totalSteps: 0,
  };
  for (const activity of activities) {
    const name = activity.activityType?.name;
    if (name === trainActivity) countTraining(count, activity);
    else if (isCounted(name)) count[counted[name]] += 1;
  }
  return count;
}

const trainActivity = 'trainAdapter' satisfies ActivityName;
/** What a trial does while one of these is in flight. */
const counted = {
  proposeSelfEdit: 'writing',
  screenSelfEdit: 'screening',
  evaluateAdapter: 'evaluating',
} as const satisfies Partial<Record<ActivityName, keyof InFlight>>;
const isCounted = (name: string | null | undefined): name is keyof typeof counted =>
  typeof name === 'string' && Object.hasOwn(counted, name);

function countTraining(count: InFlight, activity: PendingActivity): void {
  const beat = heartbeatOf(activity);
  if (beat === null || beat.totalSteps === 0) {
    count.waitingForDevice += 1;
    return;
  }
  count.training += 1;
  count.step += beat.step;
  count.totalSteps += beat.totalSteps;
}

function heartbeatOf({ heartbeatDetails }: PendingActivity): { step: number; totalSteps: number } | null {
  const [payload] = heartbeatDetails?.payloads ?? [];
  if (payload === undefined) return null;
  const parsed = trainHeartbeatSchema.safeParse(defaultPayloadConverter.fromPayload(payload));
  return parsed.success ? parsed.data : null;
}

/** "2 writing, 9 training (step 104 of 216), 3 evaluating"; empty when nothing is in flight. */
export function inFlightText(trials: InFlight): string {
  const steps = `training (step ${trials.step} of ${trials.totalSteps})`;
  const parts: [number, string][] = [
    [trials.writing, 'writing'],
    [trials.screening, 'being screened'],
    [trials.training, steps],
    [trials.waitingForDevice, 'waiting for the device'],
    [trials.evaluating, 'evaluating'],
  ];
  return parts
    .filter(([trialCount]) => trialCount > 0)
    .map(([trialCount, doing]) => `${trialCount} ${doing}`)
    .join(', ');
}
