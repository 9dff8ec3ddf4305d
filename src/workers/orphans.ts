import type { NativeConnection } from '@temporalio/worker';

/** Temporal's number for an execution that runs. */
const running = 1;
/** gRPC's code for what is not there. */
const notFound = 5;

/**
 * Cancels a child whose parent's run has ended without ending it, as a reset of the parent does: the run after it starts
 * children of its own. What somebody else started, or a run that goes on, is left alone.
 */
export async function endOrphan(
  { connection, namespace }: { connection: NativeConnection; namespace: string },
  workflowId: string,
  parentId: string,
): Promise<void> {
  const { workflowService } = connection;
  const find = async (execution: { workflowId: string; runId: string }) => {
    try {
      return (await workflowService.describeWorkflowExecution({ namespace, execution })).workflowExecutionInfo ?? null;
    } catch (error) {
      if ((error as { code?: unknown }).code === notFound) return null;
      throw error;
    }
  };
  const child = await find({ workflowId, runId: '' });
  const parent = child?.parentExecution;
  if (Number(child?.status) !== running || parent?.workflowId !== parentId || !parent.runId) return;
  const parentRun = await find({ workflowId: parentId, runId: parent.runId });
  if (Number(parentRun?.status) === running) return;
  try {
    await workflowService.requestCancelWorkflowExecution({
      namespace,
      workflowExecution: { workflowId, runId: child?.execution?.runId ?? '' },
      reason: 'the run that started it has ended',
      identity: 'selkie',
    });
  } catch (error) {
    // it ended meanwhile
    if ((error as { code?: unknown }).code !== notFound) throw error;
  }
}
