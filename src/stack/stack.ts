import { setTimeout as sleep } from 'node:timers/promises';
import { checkDisk } from './machine/disk.js';
import { StackError } from './errors.js';
import { layoutOf, type Layout } from './layout.js';
import type { RunningPart, StackOptions } from './part.js';
import { claimRecord, partNames, readRecord, removeRecord, type PartName } from './processes/records.js';
import { removeState, runningStack, supervisorName, writeState, type Endpoints } from './state.js';
import { stopRecorded } from './stop.js';
import { Supervisor } from './supervisor.js';

export interface Stack extends Endpoints {
  /** true: another process started it and keeps it; `stop` then leaves it running */
  readonly attached: boolean;
  processes(): RunningPart[];
  /** Stops everything that this process started; state stays on disk and the next start resumes from it. */
  stop(): Promise<void>;
  /** Sends a signal to a part's process; a part that ends of it is started again. */
  kill(name: PartName, signal: NodeJS.Signals): void;
  /** Restarts a part gracefully. */
  restart(name: PartName): Promise<void>;
}

const joinWithinMs = 300_000;
const joinPollMs = 200;

/**
 * Starts what is missing and returns when all of it is ready; a stack that runs already under this home is joined.
 * `TEMPORAL_ADDRESS` and `DATABASE_URL` make it use servers of one's own.
 *
 * @throws StackError that states what to do
 */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const layout = layoutOf(options.home);
  if (readRecord(layout.pids, supervisorName) === null) checkDisk(layout.home);
  for (;;) {
    const record = claimRecord(layout.pids, supervisorName, process.pid);
    if (record !== null) break;
    const joined = await joinStack(layout, options);
    if (joined !== null) return joined;
  }
  const supervisor = new Supervisor(layout, options);
  const stop = async () => {
    removeState(layout);
    await supervisor.stop();
    const record = readRecord(layout.pids, supervisorName);
    if (record?.pid === process.pid) removeRecord(layout.pids, record);
  };
  try {
    await stopRecorded(layout); // what a supervisor left that was killed together with its guard
    const endpoints = await supervisor.start();
    writeState(layout, { ...endpoints, supervisor: process.pid });
    return {
      ...endpoints,
      attached: false,
      processes: () => supervisor.processes(),
      stop,
      kill: (name, signal) => supervisor.child(name).kill(signal),
      restart: (name) => supervisor.child(name).restart(),
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Waits until the stack that another process starts is ready; null when that process gave up. */
async function joinStack(layout: Layout, options: StackOptions): Promise<Stack | null> {
  const supervisor = readRecord(layout.pids, supervisorName);
  if (supervisor === null) return null;
  if (supervisor.pid === process.pid) throw new StackError(`this process already runs a stack in ${layout.home}`);
  options.onProgress?.(`joining the stack that process ${supervisor.pid} keeps`);
  const untilMs = Date.now() + joinWithinMs;
  while (readRecord(layout.pids, supervisorName)?.pid === supervisor.pid) {
    const state = runningStack(layout);
    if (state !== null) return attachedStack(layout, state);
    if (Date.now() >= untilMs) {
      throw new StackError(`process ${supervisor.pid} does not get its stack ready: \`npm run down\` stops it.`);
    }
    await sleep(joinPollMs);
  }
  return null;
}

function attachedStack(layout: Layout, { supervisor, ...endpoints }: Endpoints & { supervisor: number }): Stack {
  const refuse = (name: PartName) => {
    throw new StackError(`${name} belongs to process ${supervisor}; \`npm run down\` stops that.`);
  };
  return {
    ...endpoints,
    attached: true,
    processes: () =>
      partNames.flatMap((name) => {
        const record = readRecord(layout.pids, name);
        return record === null ? [] : [{ name, pid: record.pid, restarts: 0 }];
      }),
    stop: () => Promise.resolve(),
    kill: refuse,
    restart: (name) => Promise.resolve().then(() => refuse(name)),
  };
}
