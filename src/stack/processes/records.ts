import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { alone } from '../alone.js';
import { isAlive, startTimeOf, type ProcessId } from './processes.js';

/** The parts of a stack, in the order in which they start. */
export const partNames = ['temporal', 'postgres', 'runner', 'worker'] as const;
export type PartName = (typeof partNames)[number];

const recordSchema = z.strictObject({
  name: z.string().min(1),
  pid: z.int().positive(),
  startTime: z.string().min(1),
  /** the signal that asks it to end in order */
  stopSignal: z.enum(['SIGTERM', 'SIGINT']),
});
export type ProcessRecord = z.infer<typeof recordSchema>;

const fileOf = (folder: string, name: string): string => join(folder, `${name}.json`);

function recordOf(name: string, pid: number, stopSignal: ProcessRecord['stopSignal']): ProcessRecord | null {
  const startTime = startTimeOf(pid);
  return startTime === null ? null : { name, pid, startTime, stopSignal };
}

/** Notes that `name` runs as `pid`, with its start time; null when it is gone already. */
export function writeRecord(
  folder: string,
  name: string,
  pid: number,
  stopSignal: ProcessRecord['stopSignal'],
): ProcessRecord | null {
  const record = recordOf(name, pid, stopSignal);
  if (record === null) return null;
  mkdirSync(folder, { recursive: true });
  const unfinished = join(folder, `${name}.${process.pid}.new`);
  writeFileSync(unfinished, JSON.stringify(record));
  renameSync(unfinished, fileOf(folder, name));
  return record;
}

/** As `writeRecord`, but only one process can have the name: null when another has it and lives. */
export function claimRecord(folder: string, name: string, pid: number): ProcessRecord | null {
  mkdirSync(folder, { recursive: true });
  return alone(folder, () => (readRecord(folder, name) === null ? writeRecord(folder, name, pid, 'SIGTERM') : null));
}

function parseRecord(folder: string, name: string): ProcessRecord | null {
  try {
    return recordSchema.parse(JSON.parse(readFileSync(fileOf(folder, name), 'utf8')));
  } catch {
    return null; // none, or half-written by a process that was killed: then nothing is known of it
  }
}

/** Forgets `name`, unless another process has taken the record over. */
export function removeRecord(folder: string, { name, pid }: ProcessRecord): void {
  if (parseRecord(folder, name)?.pid === pid) rmSync(fileOf(folder, name), { force: true });
}

/** The record of `name`, if its process still lives. */
export function readRecord(folder: string, name: string): ProcessRecord | null {
  const record = parseRecord(folder, name);
  return record !== null && isAlive(record) ? record : null;
}

/** Every recorded process that still lives. */
export function readRecords(folder: string): ProcessRecord[] {
  let files: string[];
  try {
    files = readdirSync(folder);
  } catch {
    return [];
  }
  return files.flatMap((file) => readRecord(folder, file.replace(/\.json$/, '')) ?? []);
}

const pollMs = 50;

/** Whether the process ended within `timeoutMs`. */
export async function ended(id: ProcessId, timeoutMs: number): Promise<boolean> {
  const untilMs = Date.now() + timeoutMs;
  while (isAlive(id)) {
    if (Date.now() >= untilMs) return false;
    await sleep(pollMs);
  }
  return true;
}

/** Asks a process to end, and ends its whole group after `graceMs`. Never touches a pid that another process now has. */
export async function stopProcess(record: ProcessRecord, graceMs: number): Promise<void> {
  if (!isAlive(record)) return;
  send(record.pid, record.stopSignal);
  if (await ended(record, graceMs)) return;
  send(-record.pid, 'SIGKILL');
  send(record.pid, 'SIGKILL');
  await ended(record, graceMs);
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    // ESRCH: it ended meanwhile, or leads no group
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
