import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection, Runtime, type NativeConnectionOptions } from '@temporalio/worker';
import { messageOf } from '../lib/error-message.js';
import { createLedgerActivities } from '../activities/ledger/index.js';
import { createLlmActivities } from '../activities/llm/index.js';
import { taskQueues } from '../contract/index.js';
import { LedgerUnavailable } from '../ledger/index.js';
import { createWorkflowWorkers, identityOf, runTogether, shutDown } from './workflow-worker.js';
import { buildIdOf, workflowBundlePath } from './compiled.js';
import { makeCurrent } from './deployment.js';
import { connectDependencies } from './dependencies.js';
import { createLogger, temporalLogger } from './logger.js';
import { readSettings } from './settings.js';
import { whenThere } from './when-there.js';

// The workflow worker. Its stdout is one JSON line, once it polls; its log is on stderr.
const logger = createLogger();

async function main(): Promise<void> {
  const settings = readSettings(process.env);
  Runtime.install({
    logger: temporalLogger(logger),
    ...(settings.metrics === undefined
      ? {}
      : { telemetryOptions: { metrics: { prometheus: { bindAddress: settings.metrics } } } }),
  });
  const say = (message: string): void => logger.warn(message);
  const { connectionOptions, namespace = 'default' } = loadClientConnectConfig();
  const connection = await whenThere(() => connect(connectionOptions), isTemporalAway, say);
  try {
    const dependencies = await whenThere(
      () => connectDependencies(settings, { connection, namespace }),
      (error) => error instanceof LedgerUnavailable,
      say,
    );
    try {
      const buildId = await buildIdOf(workflowBundlePath);
      const workers = await createWorkflowWorkers({
        connection,
        namespace,
        ledger: createLedgerActivities(dependencies.ledger),
        llm: createLlmActivities(dependencies.llm),
        llmQueue: settings.llmQueue,
        buildId,
      });
      const stopped = new AbortController();
      const ended = runTogether(workers).finally(() => stopped.abort());
      if (settings.rollout === 'auto') {
        const version = { buildId, identity: identityOf('workflow') };
        const { signal } = stopped;
        await makeCurrent({ connection, namespace }, version, { signal, warn: say }).catch(async (error: unknown) => {
          shutDown(workers);
          await ended;
          throw error;
        });
      }
      const queues = [taskQueues.workflow, settings.llmQueue];
      process.stdout.write(`${JSON.stringify({ event: 'ready', pid: process.pid, namespace, queues, buildId })}\n`);
      await ended;
    } finally {
      await dependencies.close();
    }
  } finally {
    // what a worker that was made and never ran still holds is no reason to hide why
    await connection.close().catch((error: unknown) => logger.warn({ err: error }, 'the connection stays open'));
  }
}

async function connect(options: NativeConnectionOptions): Promise<NativeConnection> {
  try {
    return await NativeConnection.connect(options);
  } catch (error) {
    const address = options.address ?? 'localhost:7233';
    throw new Error(`Temporal at ${address} does not answer: is it running, and is TEMPORAL_ADDRESS right?`, {
      cause: error,
    });
  }
}

/** No server listens there, or the host is unknown; a server that refuses us fails with another message. */
const isTemporalAway = ({ cause }: Error): boolean =>
  cause instanceof Error &&
  cause.name === 'TransportError' &&
  /tcp connect error|dns error|timed out/.test(cause.message);

try {
  await main();
} catch (error) {
  logger.fatal({ err: error }, messageOf(error));
  process.exitCode = 1;
}
