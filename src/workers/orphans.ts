import type { NativeConnection } from '@temporalio/worker';

/** Temporal's number for an execution that runs. */
const running = 1;
/** gRPC's code for what is not there. */
const notFound = 5;

interface Temporal {
  connection: NativeConnection;
  namespace: string;
}

/**
 * Cancels a child whose parent's run has ended without ending it, as a reset of the parent does: the next run starts
 * its own children. A workflow that was started otherwise, and a run that still runs, are left alone.
 */
export async function endOrphan(temporal: Temporal, workflowId: string, parentId: string): Promise<void> {
  const child = await find(temporal, workflowId);
  const parent = child?.parentExecution;
  if (Number(child?.status) !== running || parent?.workflowId !== parentId || !parent.runId) return;
  const parentRun = await find(temporal, parentId, parent.runId);
  if (Number(parentRun?.status) !== running) await cancel(temporal, workflowId, child?.execution?.runId ?? '');
}

/**
 * Cancels a workflow if no run of its parent is running. A run after a reset of the parent still waits for the child.
 */
export async function endWithParent(temporal: Temporal, workflowId: string, parentId: string): Promise<void> {
  const parent = await find(temporal, parentId);
  if (Number(parent?.status) !== running) await cancel(temporal, workflowId, '');
}

/** A run of a workflow, or the latest one; null where there is none. */
async function find({ connection, namespace }: Temporal, workflowId: string, runId = '') {
  const { workflowService } = connection;
  const execution = { workflowId, runId };
  try {
    return (await workflowService.describeWorkflowExecution({ namespace, execution })).workflowExecutionInfo ?? null;
  } catch (error) {
    if ((error as { code?: unknown }).code === notFound) return null;
    throw error;
  }
}

async function cancel({ connection, namespace }: Temporal, workflowId: string, runId: string): Promise<void> {
  try {
    await connection.workflowService.requestCancelWorkflowExecution({
      namespace,
      workflowExecution: { workflowId, runId },
      reason: 'the run that started it has ended',
      identity: 'selkie',
    });
  } catch (error) {
    // it ended meanwhile
    if ((error as { code?: unknown }).code !== notFound) throw error;
  }
}
