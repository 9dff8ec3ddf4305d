import { isGrpcServiceError, type Client } from '@temporalio/client';
import { ZodError } from 'zod';
import { shellWord } from '../lib/shell-word.js';

/** how many of the latest events are searched for the failure; a task that fails again writes no further one */
const eventsSearched = 20;

type Asked = Pick<Client, 'workflow' | 'workflowService' | 'options'>;

/** Why a workflow that runs does not answer a query, in words. */
export async function whySilent(client: Asked, workflowId: string, error: unknown): Promise<string> {
  if (error instanceof ZodError) return 'its answer cannot be read by this version';
  const failure = await taskFailure(client, workflowId).catch(() => null);
  if (failure !== null) {
    return (
      `its workflow task fails and is tried again (${failure}): see "Troubleshooting a stuck round" in docs/operating.md, and ` +
      `reset it by \`temporal workflow reset -w ${shellWord(workflowId)} --type LastWorkflowTask --reapply-exclude Signal --reason wedged\``
    );
  }
  const said = isGrpcServiceError(error) && error.details !== '' ? ` (${error.details})` : '';
  return `no worker answers${said}: is the stack up?`;
}

/** What the workflow task that is tried again failed with; null where none is. */
async function taskFailure(client: Asked, workflowId: string): Promise<string | null> {
  const { raw } = await client.workflow.getHandle(workflowId).describe();
  if ((raw.pendingWorkflowTask?.attempt ?? 1) <= 1) return null;
  const { history } = await client.workflowService.getWorkflowExecutionHistoryReverse({
    namespace: client.options.namespace,
    execution: { workflowId },
    maximumPageSize: eventsSearched,
  });
  for (const { workflowTaskFailedEventAttributes: failed } of history?.events ?? []) {
    if (failed !== null && failed !== undefined) return failed.failure?.message ?? 'without a reason';
  }
  return 'without a reason';
}
