import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  claimRecord,
  readRecord,
  readRecords,
  removeRecord,
  stopProcess,
  writeRecord,
  type ProcessRecord,
} from './records.js';

let folder: string;
let children: ChildProcess[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selkie-records-'));
  children = [];
});
afterEach(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

async function start(script: string): Promise<number> {
  const child = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'], detached: true });
  children.push(child);
  await once(child.stdout, 'data'); // it prints when its traps are set
  return child.pid ?? 0;
}

function recorded(name: string, pid: number, stopSignal: ProcessRecord['stopSignal']): ProcessRecord {
  const record = writeRecord(folder, name, pid, stopSignal);
  if (record === null) throw new Error(`${name} ended`);
  return record;
}

describe('records', () => {
  it('remember a process while it lives, and only that one', async () => {
    const record = recorded('temporal', await start('echo; exec sleep 60'), 'SIGTERM');
    expect(readRecord(folder, 'temporal')).toEqual(record);
    expect(readRecords(folder)).toEqual([record]);

    await stopProcess(record, 5000);
    expect(readRecord(folder, 'temporal')).toBeNull();
    removeRecord(folder, record);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('never name a process that merely has the pid of an earlier one', () => {
    const stale = { name: 'runner', pid: process.pid, startTime: 'long ago', stopSignal: 'SIGTERM' };
    writeFileSync(join(folder, 'runner.json'), JSON.stringify(stale));
    expect(readRecord(folder, 'runner')).toBeNull();
  });

  it('know nothing of a file that was half written', () => {
    writeFileSync(join(folder, 'worker.json'), '{"name":"wor');
    expect(readRecord(folder, 'worker')).toBeNull();
    expect(readRecords(folder)).toEqual([]);
    expect(readRecords(join(folder, 'missing'))).toEqual([]);
  });
});

describe('claimRecord', () => {
  it('lets one process at a time have the name, and a dead one lose it', async () => {
    const pid = await start('echo; exec sleep 60');
    const claimed = claimRecord(folder, 'supervisor', pid);
    expect(claimed?.pid).toBe(pid);
    expect(claimRecord(folder, 'supervisor', process.pid)).toBeNull();
    if (claimed !== null) await stopProcess(claimed, 5000);
    expect(claimRecord(folder, 'supervisor', process.pid)?.pid).toBe(process.pid);
  });
});

describe('stopProcess', () => {
  it('asks first, by the signal of the record', async () => {
    const pid = await start('trap "exit 0" INT; trap "" TERM; echo; while :; do sleep 0.05; done');
    const startMs = Date.now();
    await stopProcess(recorded('postgres', pid, 'SIGINT'), 10_000);
    expect(Date.now() - startMs).toBeLessThan(5000);
    expect(readRecord(folder, 'postgres')).toBeNull();
  });

  it('ends a process that does not listen', async () => {
    const pid = await start('trap "" TERM; echo; while :; do sleep 0.05; done');
    await stopProcess(recorded('worker', pid, 'SIGTERM'), 300);
    expect(readRecord(folder, 'worker')).toBeNull();
  });
});
