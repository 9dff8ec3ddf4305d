import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { workflowTypes } from '../../../src/contract/index.js';
import { Cable } from '../../support/cable.js';
import { anyPort } from '../../support/port.js';
import { startPostgres, type TestPostgres } from '../../support/postgres.js';
import { describeWithTemporal, Rig, until } from '../../support/rig.js';

const main = fileURLToPath(new URL('../../../dist/workers/main.js', import.meta.url));

/** The compiled workflow worker, as the stack starts it. */
function startWorker(env: NodeJS.ProcessEnv): { child: ChildProcess; log: () => string } {
  const child = spawn(process.execPath, [main], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  return { child, log: () => log };
}

describeWithTemporal('the workflow worker', () => {
  const rig = new Rig();
  let postgres: TestPostgres | null = null;
  let env: NodeJS.ProcessEnv = {};

  beforeAll(async () => {
    await rig.up();
    postgres = await startPostgres();
    env = {
      PATH: process.env['PATH'],
      TEMPORAL_ADDRESS: rig.env.address,
      DATABASE_URL: await postgres.createDatabase('worker'),
      SELKIE_STORE: fileURLToPath(new URL('../../../.selkie/test/store', import.meta.url)),
      // no server listens there
      SELKIE_INFERENCE_URL: 'http://127.0.0.1:9/v1',
    };
  });
  afterAll(async () => {
    await rig.down();
    await postgres?.stop();
  });

  it('says on one line of stdout that it polls, serves both queues, and ends on SIGTERM', async () => {
    const { child, log } = startWorker(env);
    if (child.stdout === null) throw new Error('no stdout');
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
    await until(() => Promise.resolve(lines.length > 0 || child.exitCode !== null), 60);
    expect(lines, log()).toHaveLength(1);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ event: 'ready', queues: ['selkie', 'selkie-llm'] });

    const round = await rig.client.start(workflowTypes.round, {
      workflowId: 'by-hand',
      taskQueue: 'selkie',
      args: [{ a: 1 }],
    });
    await expect(round.result()).rejects.toMatchObject({ cause: { type: 'InvalidConfig' } });
    // claimed in the ledger, then it waits for a runner
    const waiting = await rig.client.start(workflowTypes.round, {
      workflowId: 'waits',
      taskQueue: 'selkie',
      args: [{}],
    });
    await until(async () =>
      (await waiting.describe()).raw.pendingActivities?.some((a) => a.activityType?.name === 'describeModel'),
    );
    expect((await waiting.describe()).typedSearchAttributes.getAll().map(({ value }) => value)).toContain('preparing');

    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
    await waiting.terminate();
  });

  it('names every setting that is missing', async () => {
    const { child, log } = startWorker({ PATH: process.env['PATH'] });
    expect(await once(child, 'exit')).toEqual([1, null]);
    expect(log()).toMatch(/DATABASE_URL is not set.*SELKIE_STORE is not set.*SELKIE_INFERENCE_URL is not set/s);
  });

  it('waits for a server that is away, says which, and goes on when it is there', async () => {
    const temporalPort = Number(rig.env.address.split(':')[1]);
    const database = new URL(env['DATABASE_URL'] ?? '');
    const [temporal, ledger] = [await Cable.to(temporalPort), await Cable.to(Number(database.port))];
    database.port = String(ledger.port);
    await temporal.unplug();
    await ledger.unplug();
    const { child, log } = startWorker({
      ...env,
      TEMPORAL_ADDRESS: `127.0.0.1:${temporal.port}`,
      DATABASE_URL: database.href,
    });
    let said = '';
    child.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await until(() => Promise.resolve(/Temporal at 127\.0\.0\.1:\d+ does not answer/.test(log())));
    await temporal.plugIn();
    await until(() => Promise.resolve(/ledger's Postgres .* does not answer/.test(log())));
    await ledger.plugIn();
    await until(() => Promise.resolve(said.includes('"event":"ready"')), 60);
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
    await temporal.unplug();
    await ledger.unplug();
  });

  it('ends, and says why, when a server refuses it', async () => {
    const wrong = new URL(env['DATABASE_URL'] ?? '');
    wrong.password = 'hunter2';
    const { child, log } = startWorker({ ...env, DATABASE_URL: wrong.href });
    expect(await once(child, 'exit')).toEqual([1, null]);
    expect(log()).toMatch(/refuses the login/);
    expect(log()).not.toContain('hunter2');
  });

  it('can be told to end while it waits', async () => {
    const { child, log } = startWorker({ ...env, TEMPORAL_ADDRESS: '127.0.0.1:9' });
    await until(() => Promise.resolve(log().includes('does not answer')));
    child.kill('SIGTERM');
    await once(child, 'exit');
  });

  it('serves metrics where it is told to', async () => {
    const port = await anyPort();
    const { child, log } = startWorker({ ...env, SELKIE_METRICS: String(port) });
    const read = (): Promise<string> => fetch(`http://127.0.0.1:${port}/metrics`).then((answer) => answer.text());
    const metrics = await until(async () => {
      const text = await read().catch(() => '');
      return text.includes('temporal_worker_task_slots_available') && text;
    }, 60).catch(() => expect.fail(log()));
    expect(metrics).toContain('task_queue="selkie-llm"');
    child.kill('SIGTERM');
    await once(child, 'exit');
  });
});
