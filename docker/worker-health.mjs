// Exit status 0 when Temporal has lately heard the worker of this container ask for work.
import { Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { hostname } from 'node:os';

const taskQueue = 'selkie';
const { connectionOptions, namespace = 'default' } = loadClientConnectConfig();
const connection = await Connection.connect(connectionOptions);
const { pollers } = await connection.workflowService.describeTaskQueue({
  namespace,
  taskQueue: { name: taskQueue },
  taskQueueType: 1, // workflows
});
const polls = (pollers ?? []).some(({ identity }) => identity?.includes(hostname()));
if (!polls) console.error(`no poller of ${taskQueue} is on ${hostname()}`);
process.exit(polls ? 0 : 1);
