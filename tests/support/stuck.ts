import type { Client } from '@temporalio/client';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Stack } from '../../src/stack/index.js';
import { tailOf } from '../../src/stack/processes/log-file.js';

const logLines = 15;

/** What a round does in a stack; where it has not ended in time, an error that says what everything there waits for. */
export async function unlessStuck<T>(withinMs: number, client: Client, stack: Stack, work: Promise<T>): Promise<T> {
  const ended = new AbortController();
  const { signal } = ended;
  const late = sleep(withinMs, undefined, { signal }).then(async () => {
    throw new Error(`not ended after ${withinMs / 1000} s\n${await stateOf(client, stack)}`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    ended.abort();
  }
}

async function stateOf(client: Client, stack: Stack): Promise<string> {
  const parts = stack.processes().map(({ name, pid, restarts }) => `${name}: process ${pid}, ${restarts} restarts`);
  const workflows: string[] = [];
  for await (const { workflowId, status } of client.workflow.list()) {
    if (status.name !== 'RUNNING') {
      workflows.push(`${workflowId}: ${status.name}`);
      continue;
    }
    const { raw } = await client.workflow.getHandle(workflowId).describe();
    const activities = (raw.pendingActivities ?? []).map(
      ({ activityType, attempt, lastFailure, lastWorkerIdentity }) =>
        `  ${activityType?.name}, attempt ${attempt} by ${lastWorkerIdentity}, before it: ${lastFailure?.message ?? ''}`,
    );
    workflows.push(`${workflowId}: RUNNING${raw.pendingWorkflowTask ? ', a task pending' : ''}`, ...activities);
  }
  const logs = ['worker', 'runner', 'temporal', 'postgres'].map(
    (name) => `${name}.log\n${tailOf(join(stack.logs, `${name}.log`), logLines)}`,
  );
  return [...parts, ...workflows, ...logs].join('\n');
}
