import { randomInt } from 'node:crypto';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, startTimeOf } from './processes/processes.js';

const longestPauseMs = 20;

/**
 * Runs `work` while no other process runs its own under this folder. Each raises its own flag and goes on only if it sees
 * no other: of two that raise theirs at once, neither does. A flag is named after its process, so that the one of a process
 * that was killed can be told, and taken down, without a chance to hit another's.
 */
export function alone<T>(folder: string, work: () => T): T {
  const flag = flagOf(process.pid, startTimeOf(process.pid) ?? '');
  const file = join(folder, flag);
  try {
    for (;;) {
      writeFileSync(file, '');
      if (!othersAreThere(folder, flag)) return work();
      rmSync(file, { force: true });
      pause(randomInt(1, longestPauseMs));
    }
  } finally {
    rmSync(file, { force: true });
  }
}

const flagOf = (pid: number, startTime: string): string => `flag.${pid}.${encodeURIComponent(startTime)}`;

function othersAreThere(folder: string, own: string): boolean {
  return readdirSync(folder).some((name) => {
    const [, pid, startTime] = /^flag\.(\d+)\.(.*)$/.exec(name) ?? [];
    if (name === own || pid === undefined || startTime === undefined) return false;
    if (isAlive({ pid: Number(pid), startTime: decodeURIComponent(startTime) })) return true;
    rmSync(join(folder, name), { force: true });
    return false;
  });
}

const pause = (ms: number): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
