import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { WorkflowClient } from '@temporalio/client';
import { decodeTimeoutType } from '@temporalio/common';
import { tsToMs } from '@temporalio/common/lib/time.js';
import { historyFromJSON, historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { Worker, type WorkflowBundlePath } from '@temporalio/worker';
import { bounds } from '../../src/contract/index.js';

type History = Awaited<ReturnType<ReturnType<WorkflowClient['getHandle']>['fetchHistory']>>;
type HistoryEvent = NonNullable<History['events']>[number];
export interface RecordedHistory {
  workflowId: string;
  history: History;
}

/** Events that one run of a test may have. */
const eventBudget = 2_000;
/**
 * Causes of a failed workflow task that are the server's own: FORCE_CLOSE_COMMAND, how it ends a task under way when somebody
 * terminates; RESET_WORKFLOW, when somebody resets; UNHANDLED_COMMAND, how it tells a workflow that is about to end of what
 * came meanwhile, a cancel mostly.
 */
const ofTheServer = [17, 20, 1];

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

/** Which timeouts ended the attempts of an activity that were made again. */
export function timeoutsOf({ history }: RecordedHistory, activity: string): (string | undefined)[] {
  const events = history.events ?? [];
  const scheduled = events
    .filter((event) => event.activityTaskScheduledEventAttributes?.activityType?.name === activity)
    .map(({ eventId }) => String(eventId));
  return events
    .map((event) => event.activityTaskStartedEventAttributes)
    .filter(
      (started) => started?.lastFailure?.timeoutFailureInfo && scheduled.includes(String(started.scheduledEventId)),
    )
    .map((started) => decodeTimeoutType(started?.lastFailure?.timeoutFailureInfo?.timeoutType));
}

const timerEvents = ({ history }: RecordedHistory): HistoryEvent[] =>
  (history.events ?? []).filter((event) => event.timerStartedEventAttributes);

/** What the timers of a history say, in words for people. */
export const timersOf = (recorded: RecordedHistory): string[] =>
  timerEvents(recorded).map(({ userMetadata }) =>
    String(JSON.parse(Buffer.from(userMetadata?.summary?.data ?? []).toString('utf8'))),
  );

/** How long they take. */
export const timerMsOf = (recorded: RecordedHistory): number[] =>
  timerEvents(recorded).map((event) => tsToMs(event.timerStartedEventAttributes?.startToFireTimeout));

/** Holds histories to the budgets: few events, small payloads, no workflow task that failed. */
export function expectWithinBudget(recorded: readonly RecordedHistory[]): void {
  for (const { workflowId, history } of recorded) {
    const events = history.events ?? [];
    expect(events.length, `events of ${workflowId}`).toBeLessThan(eventBudget);
    for (const event of events) {
      const what = `event ${String(event.eventId)} of ${workflowId}`;
      const failed = event.workflowTaskFailedEventAttributes;
      if (failed) expect(ofTheServer, `${what}: a failed workflow task`).toContain(failed.cause);
      // what others send or start is not ours to bound
      const started = event.workflowExecutionStartedEventAttributes;
      const sent =
        event.workflowExecutionSignaledEventAttributes ?? (started?.parentWorkflowExecution ? null : started);
      if (!sent) {
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

/** The corpus: one folder a scenario, one history a file. */
export const corpusFolder = fileURLToPath(new URL('../histories', import.meta.url));

/** The type of workflow that a history is of. */
export const typeOf = ({ history }: RecordedHistory): string => startOf(history).workflowType?.name ?? '';

/** As `temporal workflow show --output json` prints it, in one line; stack traces name places of the machine. */
export const toJSON = (history: History): string =>
  `${JSON.stringify(JSON.parse(historyToJSON(history), withoutTraces))}\n`;

const withoutTraces = (key: string, value: unknown): unknown => (key === 'stackTrace' ? undefined : value);

/** All recorded histories, by file. */
export async function readCorpus(): Promise<Map<string, RecordedHistory>> {
  const files = (await readdir(corpusFolder, { recursive: true })).filter((file) => file.endsWith('.json')).sort();
  const read = async (file: string): Promise<[string, RecordedHistory]> => {
    const history = historyFromJSON(JSON.parse(await readFile(path.join(corpusFolder, file), 'utf8')));
    return [file, { workflowId: startOf(history).workflowId ?? '', history }];
  };
  return new Map(await Promise.all(files.map(read)));
}

function startOf(history: History): NonNullable<HistoryEvent['workflowExecutionStartedEventAttributes']> {
  const start = history.events?.[0]?.workflowExecutionStartedEventAttributes;
  if (!start) throw new Error('a history begins with the start of its workflow');
  return start;
}

function largestPayload(value: unknown): number {
  if (value instanceof Uint8Array) return value.byteLength;
  if (typeof value !== 'object' || value === null) return 0;
  return Math.max(0, ...Object.values(value).map(largestPayload));
}
