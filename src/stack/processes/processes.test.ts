import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { isAlive, processTable, startTimeOf, treeOf } from './processes.js';

const sleeper = () => spawn('sleep', ['60'], { stdio: 'ignore' });

describe('startTimeOf', () => {
  it('tells a process from another that has its pid later', () => {
    const startTime = startTimeOf(process.pid) ?? '';
    expect(isAlive({ pid: process.pid, startTime })).toBe(true);
    expect(isAlive({ pid: process.pid, startTime: `${startTime}0` })).toBe(false);
  });

  it('is null for a process that ended', async () => {
    const child = sleeper();
    await once(child, 'spawn');
    expect(startTimeOf(child.pid ?? 0)).not.toBeNull();
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(startTimeOf(child.pid ?? 0)).toBeNull();
  });
});

describe('treeOf', () => {
  it('finds what a process started, and nothing else', () => {
    const entry = (pid: number, ppid: number) => ({ pid, ppid, rssBytes: pid });
    const table = [entry(1, 0), entry(2, 1), entry(3, 2), entry(4, 1), entry(5, 4)];
    expect(treeOf(table, [2]).map(({ pid }) => pid)).toEqual([2, 3]);
    expect(
      treeOf(table, [1, 5])
        .map(({ pid }) => pid)
        .sort(),
    ).toEqual([1, 2, 3, 4, 5]);
    expect(treeOf(table, [99])).toEqual([]);
  });

  it('sees this process and its children in the real table', async () => {
    const child = sleeper();
    await once(child, 'spawn');
    const tree = treeOf(await processTable(), [process.pid]);
    child.kill('SIGKILL');
    expect(tree.map(({ pid }) => pid)).toEqual(expect.arrayContaining([process.pid, child.pid]));
    expect(tree.find(({ pid }) => pid === process.pid)?.rssBytes).toBeGreaterThan(10 * 1024 * 1024);
  });
});
