import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SupervisedChild, type ChildSpec } from './child.js';
import type { StackError } from '../errors.js';
import { readRecord } from './records.js';

let folder: string;
let child: SupervisedChild | undefined;
const restarts: string[] = [];
const failures: StackError[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selkie-child-'));
  restarts.length = 0;
  failures.length = 0;
});
afterEach(async () => {
  await child?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A shell script as the worker. */
function supervise(script: string, spec: Partial<ChildSpec> = {}): SupervisedChild {
  child = new SupervisedChild(
    {
      name: 'worker',
      command: 'sh',
      args: ['-c', script],
      env: process.env,
      cwd: folder,
      logFile: join(folder, 'worker.log'),
      isReady: (log) => Promise.resolve(log.includes('ready')),
      readyWithinMs: 5000,
      stopSignal: 'SIGTERM',
      stopWithinMs: 2000,
      advise: () => 'Look elsewhere.',
      ...spec,
    },
    folder,
    { onRestart: (_name, reason) => restarts.push(reason), onGiveUp: (_name, error) => failures.push(error) },
  );
  return child;
}

async function until(condition: () => boolean, withinMs = 10_000): Promise<void> {
  const untilMs = Date.now() + withinMs;
  while (!condition()) {
    if (Date.now() > untilMs) throw new Error('it did not come to pass');
    await sleep(20);
  }
}

describe('SupervisedChild', () => {
  it('is started when it says that it is ready, is on record, and leaves nothing behind when it is stopped', async () => {
    const worker = supervise('echo ready; exec sleep 60');
    await worker.start();
    expect(readRecord(folder, 'worker')?.pid).toBe(worker.pid);
    await worker.stop();
    expect(readRecord(folder, 'worker')).toBeNull();
    expect(existsSync(join(folder, 'worker.json'))).toBe(false);
    expect(restarts).toEqual([]);
  });

  it('is started again after a kill -9, as another process', async () => {
    const worker = supervise('echo ready; exec sleep 60');
    await worker.start();
    const first = worker.pid;
    worker.kill('SIGKILL');
    await until(() => worker.restarts === 1);
    expect(worker.pid).not.toBe(first);
    expect(restarts).toEqual(['was ended by SIGKILL']);
  });

  it('says what it printed when it ends before it is ready', async () => {
    const worker = supervise('echo no such database >&2; exit 7');
    await expect(worker.start()).rejects.toThrow(
      /^worker ended with code 7\.\n {2}no such database\nLook elsewhere\.\nAll of it: .*worker\.log$/,
    );
    expect(worker.pid).toBeNull();
  });

  it('is not waited for without limit, and not left running', async () => {
    const worker = supervise('echo thinking; exec sleep 60', { readyWithinMs: 300 });
    await expect(worker.start()).rejects.toThrow('was not ready within 0 s');
    expect(readRecord(folder, 'worker')).toBeNull();
  });

  it('says when its program is missing', async () => {
    const worker = supervise('', { command: join(folder, 'nothing') });
    await expect(worker.start()).rejects.toThrow(/cannot run .*nothing.* Look elsewhere\./);
  });

  it('is given up when it keeps ending, with the tail of its log', async () => {
    // ready the first time only
    const worker = supervise('[ -e seen ] && { echo out of memory; exit 1; }; touch seen; echo ready; exec sleep 60', {
      restartDelaysMs: [10, 10, 10],
    });
    await worker.start();
    worker.kill('SIGKILL');
    await until(() => failures.length === 1);
    expect(restarts).toHaveLength(3);
    expect(failures[0]?.message).toMatch(/^worker ended 4 times in ten minutes\.\n(.*\n)* {2}out of memory\n/);
    expect(readFileSync(join(folder, 'worker.log'), 'utf8').match(/out of memory/g)).toHaveLength(3);
  });

  it('can be stopped while it is waiting to be started again', async () => {
    const worker = supervise('echo ready; exec sleep 60');
    await worker.start();
    worker.kill('SIGKILL');
    await until(() => restarts.length === 1);
    await worker.stop();
    await sleep(700);
    expect(readRecord(folder, 'worker')).toBeNull();
  });
});
