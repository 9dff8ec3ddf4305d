import {
  CancellationScope,
  ChildWorkflowCancellationType,
  ParentClosePolicy,
  getExternalWorkflowHandle,
  isCancellation,
  sleep,
  startChild,
  workflowInfo,
  type ChildWorkflowHandle,
  type Workflow,
} from '@temporalio/workflow';
import { TemporalFailure, WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { reportNames, workflowTypes, RunSettings } from '../../contract/index.js';
import { activitiesOf } from './call-activity.js';
import { summaryOf } from './markdown.js';
import { pairsOf, type Tags } from './search-attributes.js';

const longestWaitSeconds = 60;

interface Child {
  type: (typeof workflowTypes)[keyof typeof workflowTypes];
  workflowId: string;
  input: unknown;
  summary: string;
  tags?: Tags;
}

/**
 * Starts a child. It is asked to cancel when its parent ends before it, and a cancelled parent waits for it. Where its
 * id is still in use, by a child of a run of the parent before a reset or one that is just ending, that child is
 * cancelled, and the start repeated until the id is free.
 */
export async function startOne(
  settings: RunSettings,
  { type, workflowId, input, summary, tags = {} }: Child,
): Promise<ChildWorkflowHandle<Workflow>> {
  for (let waitSeconds = 2; ; waitSeconds = Math.min(waitSeconds * 2, longestWaitSeconds)) {
    try {
      const child = await startChild(type, {
        workflowId,
        args: [input],
        parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
        cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
        priority: { fairnessKey: settings.tenant },
        staticSummary: summaryOf(summary),
        typedSearchAttributes: pairsOf(settings, { SealTenant: settings.tenant, ...tags }),
      });
      cancelledWithUs(child);
      return child;
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      const parentId = workflowInfo().workflowId;
      await activitiesOf(settings)('endOrphans', { parentId, workflowId }, `${workflowId} is in use`);
      await sleep(waitSeconds * 1000, { summary: summaryOf(`an older run of ${workflowId} has not ended yet`) });
    }
  }
}

/**
 * A parent that was reset cannot cancel the children that it had before: the server takes them for the old run's and
 * passes nothing on. So a cancelled parent cancels each by its id as well.
 */
function cancelledWithUs(child: ChildWorkflowHandle<Workflow>): void {
  let ended = false;
  const end = (): void => {
    ended = true;
  };
  child.result().then(end, end);
  CancellationScope.current().cancelRequested.catch(() => (ended ? undefined : cancelById(child.workflowId)));
}

/** Cancels what runs under an id, if anything does, also while the caller itself is being cancelled. */
async function cancelById(workflowId: string): Promise<void> {
  try {
    await CancellationScope.nonCancellable(() => getExternalWorkflowHandle(workflowId).cancel());
  } catch (error) {
    if (!(error instanceof TemporalFailure)) throw error;
  }
}

/**
 * Sends a signal to a child; if the child has ended, the signal is dropped. By its id: a child of before a reset
 * receives nothing else.
 */
export function tell(child: ChildWorkflowHandle<Workflow>, signal: string, message?: unknown): void {
  getExternalWorkflowHandle(child.workflowId)
    .signal(signal, message)
    .catch(() => undefined);
}

/**
 * Tells the parent, if there is one. Where it does not run any more, which a child of a run before a reset is not told, the
 * child cancels itself. To be awaited: a workflow with an answer on its way cannot end.
 */
export async function tellParent(
  report: (typeof reportNames)[keyof typeof reportNames],
  message: unknown,
): Promise<void> {
  const { parent } = workflowInfo();
  if (parent === undefined) return;
  try {
    await getExternalWorkflowHandle(parent.workflowId).signal(report, message);
  } catch (error) {
    if (!(error instanceof TemporalFailure)) throw error;
    if (!isCancellation(error)) CancellationScope.current().cancel();
  }
}
