import { randomInt } from 'node:crypto';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isAlive, startTimeOf } from './processes/processes.js';

const longestPauseMs = 20;

/**
 * Runs `work` while no other process runs its own under this folder. Each process raises a flag and continues only if
 * it sees no other: if two raise theirs at once, neither does. A flag is named after its process, so that the flag of a
 * killed process can be recognised and removed without a chance to hit another's.
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
