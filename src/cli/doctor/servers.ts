import type { Connection } from '@temporalio/client';
import { infoQueueOf, llmQueueOf, taskQueues } from '../../contract/index.js';
import {
  connectTemporal,
  isPolled,
  isSet,
  postgresProblem,
  type StackState,
  type TaskKind,
  type TemporalTarget,
} from '../../stack/index.js';
import { currentTarget } from '../connect.js';
import { failed, type Finding } from './finding.js';
import { checkHealth, servedModel } from './health.js';

const postgresWithinMs = 5000;

/** Every server that is meant to be there: of the running stack, or those that the environment names. */
export async function serverFindings(): Promise<Finding[]> {
  let where: ReturnType<typeof currentTarget>;
  try {
    where = currentTarget();
  } catch (error) {
    return [failed('stack', error)];
  }
  const { target, stack } = where;
  const databaseUrl = stack?.databaseUrl ?? process.env['DATABASE_URL'];
  const inferenceUrl = stack?.inferenceUrl ?? process.env['SELKIE_INFERENCE_URL'];
  const checks = [
    ...(target === null ? [] : [temporal(target, stack, inferenceUrl)]),
    ...(isSet(databaseUrl) ? [ledger(databaseUrl, stack)] : []),
    ...(isSet(inferenceUrl) ? [runner(inferenceUrl, stack)] : []),
  ];
  return [stackFinding(stack), ...(await Promise.all(checks)).flat()];
}

const stackFinding = (stack: StackState | null): Finding => ({
  check: 'stack',
  ok: true,
  detail:
    stack === null
      ? 'not running here; `npm run up` starts it'
      : `process ${stack.supervisor}, ${stack.temporalUi ?? stack.temporalAddress}`,
});

/** How to bring a part of the stack back; of a server elsewhere we know only that it is down. */
const mend = (stack: StackState | null, log: string): string =>
  stack === null
    ? 'start it, or correct its address'
    : `see ${stack.logs}/${log}; \`npm run down\`, then \`npm run up\``;

async function temporal(
  target: TemporalTarget,
  stack: StackState | null,
  inferenceUrl: string | undefined,
): Promise<Finding[]> {
  const detail = `namespace ${target.namespace} at ${target.address}`;
  try {
    const connection = await connectTemporal(target);
    try {
      const model = isSet(inferenceUrl) ? await servedModel(inferenceUrl) : null;
      const llm = model === null ? taskQueues.llm : llmQueueOf(model);
      return [{ check: 'server', ok: true, detail }, ...(await pollers(connection, target.namespace, stack, llm))];
    } finally {
      await connection.close();
    }
  } catch (error) {
    return [failed('server', error, mend(stack, 'temporal.log'))];
  }
}

/** Who polls each queue: without a poller, work waits without a limit and no error appears. */
async function pollers(
  connection: Connection,
  namespace: string,
  stack: StackState | null,
  llm: string,
): Promise<Finding[]> {
  const asked: [string, TaskKind, string][] = [
    [taskQueues.workflow, 'workflow', 'worker'],
    [taskQueues.workflow, 'activity', 'worker'],
    [llm, 'activity', 'worker'],
    [taskQueues.gpu, 'activity', 'runner'],
    [infoQueueOf(taskQueues.gpu), 'activity', 'runner'],
  ];
  const missing: string[] = [];
  const logs = new Set<string>();
  for (const [name, kind, log] of asked) {
    if (await isPolled(connection, namespace, name, kind)) continue;
    missing.push(`${name} (${kind} tasks)`);
    logs.add(log);
  }
  const queues = [...new Set(asked.map(([name]) => name))].join(', ');
  return [
    {
      check: 'pollers',
      ok: missing.length === 0,
      detail: missing.length === 0 ? `of ${queues}` : `no worker polls ${missing.join(', ')}`,
      advice: [...logs]
        .map((log) => `the ${log} is down or starting: ${mend(stack, `${log}.log`)}`)
        .join('\n                  '),
    },
  ];
}

async function ledger(databaseUrl: string, stack: StackState | null): Promise<Finding[]> {
  const problem = await postgresProblem(databaseUrl, postgresWithinMs);
  const place = URL.canParse(databaseUrl) ? `Postgres at ${new URL(databaseUrl).host}` : 'DATABASE_URL';
  return [
    {
      check: 'ledger',
      ok: problem === null,
      detail: problem === null ? place : `${place}: ${problem}`,
      advice: mend(stack, 'postgres.log'),
    },
  ];
}

async function runner(inferenceUrl: string, stack: StackState | null): Promise<Finding[]> {
  const { ok, detail } = await checkHealth(inferenceUrl);
  return [{ check: 'runner', ok, detail: `${inferenceUrl}: ${detail}`, advice: mend(stack, 'runner.log') }];
}
