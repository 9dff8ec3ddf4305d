import { accessSync, constants, statfsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { StackError } from '../errors.js';

/** What a stack needs at least to start: it writes logs, histories and adapters all the time. */
export const freeBytesNeeded = 1024 ** 3;

/** Bytes free for a folder, or where it will be made; throws a StackError where nothing can be written. */
export function freeBytes(folder: string): number {
  const there = nearestThatIs(folder);
  if (!statSync(there).isDirectory()) throw new StackError(`${there} is no folder: set SELKIE_HOME to one.`);
  try {
    accessSync(there, constants.W_OK);
  } catch {
    throw new StackError(`nothing can be written to ${there}: set SELKIE_HOME to a folder of this user.`);
  }
  const { bavail, bsize } = statfsSync(there);
  return bavail * bsize;
}

/** Throws a StackError where a stack would soon stop for want of space. */
export function checkDisk(folder: string): void {
  const free = freeBytes(folder);
  if (free >= freeBytesNeeded) return;
  throw new StackError(
    `only ${Math.floor(free / 1024 ** 2)} MiB are free on the disk of ${folder}; free at least 1024, or set SELKIE_HOME.`,
  );
}

/** The folder itself, or what is there of the way to it: a file in the way as well. */
function nearestThatIs(path: string): string {
  try {
    statSync(path);
    return path;
  } catch {
    return dirname(path) === path ? path : nearestThatIs(dirname(path));
  }
}
