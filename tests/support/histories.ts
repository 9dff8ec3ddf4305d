import { expect } from 'vitest';
import type { WorkflowClient } from '@temporalio/client';
import { historyFromJSON, historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { Worker, type WorkflowBundlePath } from '@temporalio/worker';
import { bounds } from '../../src/contract/index.js';

type History = Awaited<ReturnType<ReturnType<WorkflowClient['getHandle']>['fetchHistory']>>;
export interface RecordedHistory {
  workflowId: string;
  history: History;
}

/** Events that one run of a test may have. */
const eventBudget = 2_000;

/** The histories of a workflow, of its later runs and of all its descendants. */
export async function historiesOf(
  client: WorkflowClient,
  workflowId: string,
  runId?: string,
): Promise<RecordedHistory[]> {
  const history = await client.getHandle(workflowId, runId).fetchHistory();
  const found: RecordedHistory[] = [{ workflowId, history }];
  for (const event of history.events ?? []) {
    const child = event.childWorkflowExecutionStartedEventAttributes?.workflowExecution;
    if (child?.workflowId && child.runId) found.push(...(await historiesOf(client, child.workflowId, child.runId)));
    const next = event.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId;
    if (next) found.push(...(await historiesOf(client, workflowId, next)));
  }
  return found;
}

/** Holds histories to the budgets: few events, small payloads, no workflow task that failed. */
export function expectWithinBudget(recorded: readonly RecordedHistory[]): void {
  for (const { workflowId, history } of recorded) {
    const events = history.events ?? [];
    expect(events.length, `events of ${workflowId}`).toBeLessThan(eventBudget);
    for (const event of events) {
      const what = `event ${String(event.eventId)} of ${workflowId}`;
      expect(event.workflowTaskFailedEventAttributes, `${what}: a failed workflow task`).toBeFalsy();
      // what others send is not ours to bound
      if (!event.workflowExecutionSignaledEventAttributes) {
        expect(largestPayload(event), `largest payload of ${what}`).toBeLessThan(bounds.payloadBytes);
      }
    }
  }
}

/** Replays histories against a bundle; returns what went wrong, by workflow. */
export async function replay(
  recorded: readonly RecordedHistory[],
  workflowBundle: WorkflowBundlePath,
  payloadConverterPath: string,
): Promise<{ workflowId: string; error: Error }[]> {
  const options = { workflowBundle, dataConverter: { payloadConverterPath } };
  const broken: { workflowId: string; error: Error }[] = [];
  for await (const { workflowId, error } of Worker.runReplayHistories(options, recorded)) {
    if (error !== undefined) broken.push({ workflowId, error });
  }
  return broken;
}

export const toJSON = (history: History): string => `${JSON.stringify(historyToJSON(history), null, 1)}\n`;
export const fromJSON = (text: string): History => historyFromJSON(JSON.parse(text));

function largestPayload(value: unknown): number {
  if (value instanceof Uint8Array) return value.byteLength;
  if (typeof value !== 'object' || value === null) return 0;
  return Math.max(0, ...Object.values(value).map(largestPayload));
}
