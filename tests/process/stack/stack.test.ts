import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, realpathSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection } from '@temporalio/client';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { searchAttributes, taskQueues, workflowTypes } from '../../../src/contract/index.js';
import { clientOf, layoutOf, runningStack, startStack, stopStack, type Stack } from '../../../src/stack/index.js';
import { startTimeOf } from '../../../src/stack/processes/processes.js';
import { makeStackHome, removeStackHome } from '../../support/stack-home.js';

const parts = ['temporal', 'postgres'] as const;

let home: string;
let stack: Stack | undefined;
let keepers: ChildProcess[];
beforeEach(async () => {
  home = await makeStackHome();
  keepers = [];
});
afterEach(async () => {
  await stack?.stop();
  stack = undefined;
  await stopStack(layoutOf(home));
  for (const keeper of keepers) keeper.kill('SIGKILL');
  removeStackHome(home);
});

async function queryLedger(sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: stack?.databaseUrl });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const untilMs = Date.now() + 60_000;
  while (!(await condition())) {
    if (Date.now() > untilMs) throw new Error('it did not come to pass');
    await sleep(50);
  }
}

// a zombie, which waits for its parent to look, is gone as well
const isGone = (pid: number | undefined): boolean => pid === undefined || startTimeOf(pid) === null;

describe('startStack', () => {
  it('starts Temporal and Postgres ready for rounds, and finds everything again after a stop', async () => {
    const lines: string[] = [];
    stack = await startStack({ home, parts, onProgress: (line) => lines.push(line) });
    expect(lines).toContain('starting temporal');
    expect(lines.some((line) => /^postgres is ready after \d+\.\d s/.test(line))).toBe(true);
    const { temporalAddress, databaseUrl } = stack;
    expect(statSync(layoutOf(home).state).mode & 0o077).toBe(0);

    const connection = await Connection.connect({ address: stack.temporalAddress });
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace: 'default' });
    expect(Object.keys(customAttributes)).toEqual(expect.arrayContaining(Object.keys(searchAttributes)));
    const { config } = await connection.workflowService.describeNamespace({ namespace: 'default' });
    expect(Number(config?.workflowExecutionRetentionTtl?.seconds)).toBe(365 * 86_400);
    await connection.close();
    expect((await fetch(stack.temporalUi ?? '')).status).toBe(200);

    const start = { taskQueue: taskQueues.workflow, workflowId: 'demo.kept', args: [{}] };
    await (await clientOf(stack)).workflow.start(workflowTypes.round, start);
    await queryLedger(
      `insert into rounds (round_id, tenant, config, config_digest) values ('demo.kept', 'demo', '{}', 'x')`,
    );
    await stack.stop();
    expect(runningStack(layoutOf(home))).toBeNull();

    stack = await startStack({ home, parts });
    expect(stack).toMatchObject({ temporalAddress, databaseUrl });
    const { status } = await (await clientOf(stack)).workflow.getHandle('demo.kept').describe();
    expect(status.name).toBe('RUNNING');
    expect(await queryLedger('select round_id from rounds')).toEqual([{ round_id: 'demo.kept' }]);
  });

  it('starts a part again that is killed, at the same address and with its data', async () => {
    stack = await startStack({ home, parts });
    const before = stack.processes();
    for (const name of parts) stack.kill(name, 'SIGKILL');
    await until(() => stack?.processes().every(({ restarts }) => restarts === 1) === true);
    for (const [index, { pid }] of stack.processes().entries()) expect(pid).not.toBe(before[index]?.pid);
    expect(await queryLedger('select count(*)::int as n from rounds')).toEqual([{ n: 0 }]);
    const client = await clientOf(stack);
    expect((await client.workflowService.describeNamespace({ namespace: 'default' })).namespaceInfo?.name).toBe(
      'default',
    );
  });

  it.runIf(process.getuid?.() === 0)('as root, puts the ledger where its user can reach it', async () => {
    const closed = await makeStackHome({ closed: true });
    try {
      for (let start = 0; start < 2; start += 1) {
        const inside = await startStack({ home: closed, parts: ['postgres'] });
        await inside.stop();
        expect(realpathSync(layoutOf(closed).postgres)).toMatch(/^\/var\/lib\/selkie\/ledger-/);
      }
    } finally {
      removeStackHome(closed);
    }
  });

  it('takes another port when its own is taken by a Temporal of somebody else', async () => {
    const first = await startStack({ home, parts });
    const other = await makeStackHome();
    try {
      const temporal = Number(first.temporalAddress.split(':')[1]);
      const remembered = layoutOf(other).ports;
      writeFileSync(remembered, readFileSync(remembered, 'utf8').replace(/"temporal":\d+/, `"temporal":${temporal}`));
      const second = await startStack({ home: other, parts: ['temporal'] });
      expect(second.temporalAddress).not.toBe(first.temporalAddress);
      await second.stop();
    } finally {
      await first.stop();
      removeStackHome(other);
    }
  });

  it('refuses a second stack in the same process, and a port that is taken', async () => {
    stack = await startStack({ home, parts });
    await expect(startStack({ home, parts })).rejects.toThrow('this process already runs a stack');
    const other = await makeStackHome();
    const temporal = Number(stack.temporalAddress.split(':')[1]);
    await expect(startStack({ home: other, parts, ports: { temporal } })).rejects.toThrow(
      `port ${temporal} for temporal is taken`,
    );
    removeStackHome(other);
  });

  it('says what to do when a server of one’s own does not answer', async () => {
    const env = { TEMPORAL_ADDRESS: '127.0.0.1:1', DATABASE_URL: 'postgres://127.0.0.1:1/none' };
    await expect(startStack({ home, parts, env })).rejects.toThrow(
      /^Temporal at 127.0.0.1:1 does not answer .* Unset TEMPORAL_ADDRESS for a local one\.$/,
    );
    expect(runningStack(layoutOf(home))).toBeNull();
  });
});

const keptSchema = z.object({
  attached: z.boolean(),
  processes: z.array(z.object({ name: z.string(), pid: z.number() })),
});

/** A process that keeps a stack; resolves when it is ready. */
async function keepStack(): Promise<{ keeper: ChildProcess; attached: boolean; pids: number[] }> {
  const keeper = spawn(process.execPath, ['tests/support/keep-stack.mjs', home], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  keepers.push(keeper);
  const ended = once(keeper, 'exit').then(([code]) => Promise.reject(new Error(`the keeper ended with code ${code}`)));
  const [line] = (await Promise.race([once(keeper.stdout, 'data'), ended])) as [Buffer];
  const { attached, processes } = keptSchema.parse(JSON.parse(line.toString('utf8')));
  return { keeper, attached, pids: processes.map(({ pid }) => pid) };
}

describe('a stack of another process', () => {
  it('is joined, survives who joined it, and is stopped by `down`', async () => {
    const first = await keepStack();
    const second = await keepStack();
    expect(second.attached).toBe(true);
    expect(second.pids).toEqual(first.pids);

    stack = await startStack({ home, parts });
    expect(stack.attached).toBe(true);
    expect(() => stack?.kill('temporal', 'SIGKILL')).toThrow('temporal belongs to process');
    await stack.stop();
    expect(first.pids.some(isGone)).toBe(false);

    expect(await stopStack(layoutOf(home))).toEqual(['supervisor', 'temporal', 'postgres']);
    expect(first.pids.every(isGone)).toBe(true);
    expect(isGone(first.keeper.pid)).toBe(true);
    expect(await stopStack(layoutOf(home))).toEqual([]);
  });

  it('leaves nothing running when its supervisor is killed', async () => {
    const { keeper, pids } = await keepStack();
    keeper.kill('SIGKILL');
    await until(() => pids.every(isGone));
    expect(runningStack(layoutOf(home))).toBeNull();

    stack = await startStack({ home, parts });
    expect(stack.attached).toBe(false);
    expect(JSON.parse(readFileSync(layoutOf(home).state, 'utf8'))).toMatchObject({ supervisor: process.pid });
  });
});
