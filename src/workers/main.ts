import { loadClientConnectConfig } from '@temporalio/envconfig';
import { NativeConnection, Runtime, type NativeConnectionOptions } from '@temporalio/worker';
import { createControlActivities } from '../activities/control.js';
import { createLlmActivities } from '../activities/llm.js';
import { taskQueues } from '../contract/index.js';
import { createControlWorkers, runTogether } from './control.js';
import { connectDependencies } from './dependencies.js';
import { createLogger, temporalLogger } from './logger.js';
import { readSettings } from './settings.js';

// The control process. Its stdout is one JSON line, once it polls; its log is on stderr.
const logger = createLogger();

async function main(): Promise<void> {
  const settings = readSettings(process.env);
  Runtime.install({ logger: temporalLogger(logger) });
  const { connectionOptions, namespace = 'default' } = loadClientConnectConfig();
  const connection = await connect(connectionOptions);
  try {
    const dependencies = await connectDependencies(settings, { connection, namespace });
    try {
      const workers = await createControlWorkers({
        connection,
        namespace,
        control: createControlActivities(dependencies.control),
        llm: createLlmActivities(dependencies.llm),
        llmQueue: settings.llmQueue,
      });
      const ended = runTogether(workers);
      const queues = [taskQueues.control, settings.llmQueue];
      process.stdout.write(`${JSON.stringify({ event: 'ready', pid: process.pid, namespace, queues })}\n`);
      await ended;
    } finally {
      await dependencies.close();
    }
  } finally {
    await connection.close();
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

try {
  await main();
} catch (error) {
  logger.fatal({ err: error }, error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
