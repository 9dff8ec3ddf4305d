import proto from '@temporalio/proto';
import type { Connection } from '@temporalio/client';

const { TaskQueueType } = proto.temporal.api.enums.v1;
const types = {
  workflow: TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
  activity: TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
} as const;
export type TaskKind = keyof typeof types;

/** A worker polls again within a minute; the server remembers a poller for five. */
const asksWithinMs = 90_000;

/** Whether a worker polls a queue. */
export async function isPolled(
  connection: Pick<Connection, 'workflowService'>,
  namespace: string,
  queue: string,
  kind: TaskKind,
): Promise<boolean> {
  const { pollers } = await connection.workflowService.describeTaskQueue({
    namespace,
    taskQueue: { name: queue },
    taskQueueType: types[kind],
  });
  return pollers.some(({ lastAccessTime }) => Date.now() - Number(lastAccessTime?.seconds ?? 0) * 1000 < asksWithinMs);
}
