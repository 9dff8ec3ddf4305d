import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from '@temporalio/worker';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { infoQueueOf, taskQueues, workflowTypes, type RoundConfigInput } from '../../../src/contract/index.js';
import { FakeModelServer } from '../../support/fake-model-server.js';
import { resultOf } from '../../support/play.js';
import { startPostgres, type TestPostgres } from '../../support/postgres.js';
import { describeWithTemporal, Rig } from '../../support/rig.js';
import { FakeLedger } from '../../support/fake-ledger.js';

const main = fileURLToPath(new URL('../../../dist/workers/main.js', import.meta.url));

/** What only the tenant's words can be: no line of it is an edit, so nothing is trained. */
const round = (model: string, more: RoundConfigInput = {}): RoundConfigInput => ({
  model,
  sources: { train: 1, heldOut: 0 },
  editsPerSource: 1,
  controls: { rawPassage: false, merged: false, rules: false },
  reward: { measure: 'match' },
  profiles: { retryInitialSeconds: 0.1 },
  ...more,
});

describeWithTemporal('two models side by side', () => {
  const rig = new Rig();
  const servers = new Map<string, FakeModelServer>();
  const workers: ChildProcess[] = [];
  let postgres: TestPostgres;
  let store: string;
  let gpu: Worker;
  let gpuEnded: Promise<void>;

  /** A control worker of one model, with a server that has this model alone; resolves with the queues that it polls. */
  async function serve(model: string, databaseUrl: string): Promise<unknown> {
    const server = await FakeModelServer.start({ base: model });
    servers.set(model, server);
    const child = spawn(process.execPath, [main], {
      env: {
        PATH: process.env['PATH'],
        TEMPORAL_ADDRESS: rig.env.address,
        DATABASE_URL: databaseUrl,
        SELKIE_STORE: store,
        SELKIE_MODEL: model,
        SELKIE_INFERENCE_URL: server.baseUrl,
      },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    workers.push(child);
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    return (JSON.parse(line) as { queues: unknown }).queues;
  }

  beforeAll(async () => {
    await rig.up();
    postgres = await startPostgres();
    store = await mkdtemp(join(tmpdir(), 'selkie-two-models-'));
    const { describeModel } = new FakeLedger().answers;
    gpu = await Worker.create({
      connection: rig.env.nativeConnection,
      taskQueue: infoQueueOf(taskQueues.gpu),
      activities: { describeModel },
    });
    gpuEnded = gpu.run();
    const databaseUrl = await postgres.createDatabase('models');
    expect(await serve('small', databaseUrl)).toEqual(['selkie', 'selkie-llm.small']);
    expect(await serve('qwen', databaseUrl)).toEqual(['selkie', 'selkie-llm.qwen']);
  });
  afterAll(async () => {
    for (const child of workers) {
      if (child.exitCode !== null) continue;
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    gpu.shutdown();
    await gpuEnded;
    for (const server of servers.values()) await server.stop();
    await rig.down();
    await postgres.stop();
    await rm(store, { recursive: true });
  });

  const start = (workflowId: string, config: RoundConfigInput) =>
    rig.client.start(workflowTypes.round, { workflowId, taskQueue: taskQueues.workflow, args: [config] });

  it('asks each server for its own model alone', async () => {
    const rounds = await Promise.all(
      ['small', 'qwen', 'small', 'qwen'].map((model, i) => start(`demo.${model}-${i}`, round(model, { seed: i }))),
    );
    for (const handle of rounds) expect(await resultOf(handle)).toMatchObject({ trials: { invalid_edit: 1 } });
    for (const [model, { requests }] of servers) {
      const asked = requests.flatMap(({ body }) => ('model' in body ? [body['model']] : []));
      expect(asked.length, model).toBeGreaterThan(0);
      expect(new Set(asked), model).toEqual(new Set([model]));
    }
  });

  it('refuses a round on the queue of another model before anything is asked', async () => {
    const before = servers.get('small')?.requests.length ?? 0;
    const wrong = await start('demo.wrong', round('qwen', { llmQueue: 'selkie-llm.small' }));
    await expect(resultOf(wrong)).rejects.toMatchObject({
      cause: {
        type: 'ServerRefused',
        message: expect.stringMatching(
          /`qwen` does not exist on the model server of this worker, which has "small": .*SELKIE_MODEL/,
        ) as string,
      },
    });
    expect(
      servers
        .get('small')
        ?.requests.slice(before)
        .map(({ path }) => path),
    ).toEqual(['/v1/models']);
  });

  it('finds out once that a server gives no log-probabilities', async () => {
    const server = servers.get('small');
    if (server === undefined) throw new Error('no server');
    const before = server.requests.length;
    server.failNext({ kind: 'status', status: 400, message: 'echo is not supported' }, { path: '/v1/completions' });
    const likelihood = await start('demo.likelihood', round('small', { reward: { measure: 'logLikelihood' } }));
    await expect(resultOf(likelihood)).rejects.toMatchObject({
      cause: {
        type: 'InvalidConfig',
        message: expect.stringMatching(/log-probabilities.*echo is not supported.*another component/) as string,
      },
    });
    expect(server.requests.slice(before).filter(({ path }) => path.endsWith('completions'))).toHaveLength(1);
  });
});
