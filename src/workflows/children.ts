import {
  ChildWorkflowCancellationType,
  ParentClosePolicy,
  getExternalWorkflowHandle,
  sleep,
  startChild,
  workflowInfo,
  type ChildWorkflowHandle,
  type Workflow,
} from '@temporalio/workflow';
import { TemporalFailure, WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { reportNames, workflowTypes, RunSettings } from '../contract/index.js';
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
 * Starts a child under an id of its own. It is asked to cancel when its parent ends before it, and a cancelled parent
 * waits for it. Where the id is still in use (the parent was reset, and its old children are just ending) the start is
 * repeated until it is free.
 */
export async function startOne(
  settings: RunSettings,
  { type, workflowId, input, summary, tags = {} }: Child,
): Promise<ChildWorkflowHandle<Workflow>> {
  for (let waitSeconds = 2; ; waitSeconds = Math.min(waitSeconds * 2, longestWaitSeconds)) {
    try {
      return await startChild(type, {
        workflowId,
        args: [input],
        parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
        cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
        priority: { fairnessKey: settings.tenant },
        staticSummary: summaryOf(summary),
        typedSearchAttributes: pairsOf(settings, { SealTenant: settings.tenant, ...tags }),
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      await sleep(waitSeconds * 1000, { summary: summaryOf(`an older run of ${workflowId} has not ended yet`) });
    }
  }
}

/** Sends a signal to a child that may have ended, in which case there is nobody who misses it. */
export function tell(child: ChildWorkflowHandle<Workflow>, signal: string, message?: unknown): void {
  child.signal(signal, message).catch(() => undefined);
}

/** Tells the parent, if there is one and it still runs. To be awaited: a workflow with an answer on its way cannot end. */
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
  }
}
