import { hostname } from 'node:os';
import { Worker, type NativeConnection, type WorkerOptions } from '@temporalio/worker';
import { taskQueues, type LedgerActivities, type LlmActivities } from '../contract/index.js';
import { takeReferencesForPayloads } from './foreign-references.js';
import { deploymentOf } from './deployment.js';
import { beating } from './heartbeat.js';
import { payloadConverterPath, workflowBundlePath } from './compiled.js';

export interface WorkflowWorkerOptions {
  connection: NativeConnection;
  namespace: string;
  ledger: LedgerActivities;
  llm: LlmActivities;
  /** of the model that the worker's model server has */
  llmQueue: string;
  /** the version of its workflows */
  buildId: string;
}

/**
 * The workers of this process: workflows and light activities on one queue, what asks a model server on another, so
 * that a slow server holds up no bookkeeping. Bounds:
 *
 * - a ledger activity is a transaction, and the ledger's pool has ten connections;
 * - the model server batches what is asked at once, more than this only waits there and runs into timeouts;
 * - heartbeats are passed on every second, because a cancellation comes with the answer to one;
 * - at a shutdown activities may end by themselves for a moment, then they are cancelled and begin again elsewhere.
 */
export async function createWorkflowWorkers(options: WorkflowWorkerOptions): Promise<Worker[]> {
  const { connection, namespace, ledger, llm, llmQueue, buildId } = options;
  takeReferencesForPayloads();
  const shared = {
    connection,
    namespace,
    dataConverter: { payloadConverterPath },
    workerDeploymentOptions: deploymentOf(buildId),
    maxHeartbeatThrottleInterval: '1 second',
    shutdownGraceTime: '5 seconds',
    shutdownForceTime: '12 seconds',
  } satisfies Partial<WorkerOptions>;
  return [
    await Worker.create({
      ...shared,
      taskQueue: taskQueues.workflow,
      identity: identityOf('workflow'),
      workflowBundle: { codePath: workflowBundlePath },
      activities: { ...ledger },
      interceptors: { activity: [beating] },
      maxConcurrentActivityTaskExecutions: 20,
    }),
    await Worker.create({
      ...shared,
      taskQueue: llmQueue,
      identity: identityOf('llm'),
      activities: { ...llm },
      maxConcurrentActivityTaskExecutions: 16,
    }),
  ];
}

/**
 * Runs workers until the process is told to end (SIGTERM, SIGINT), or until one of them breaks, which ends them all. Returns,
 * or throws what broke the first, when all have ended: until then they use the connection.
 */
export async function runTogether(workers: readonly Pick<Worker, 'run' | 'getState' | 'shutdown'>[]): Promise<void> {
  const broken: unknown[] = [];
  await Promise.all(
    workers.map(async (worker) => {
      try {
        await worker.run();
      } catch (error) {
        broken.push(error);
      }
      shutDown(workers);
    }),
  );
  if (broken.length > 0) throw broken[0];
}

/** Tells the workers that run to end. */
export function shutDown(workers: readonly Pick<Worker, 'getState' | 'shutdown'>[]): void {
  for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
}

/** Who a worker of this process is, to the server. */
export const identityOf = (role: string): string => `${role}@${hostname()}:${process.pid}`;
