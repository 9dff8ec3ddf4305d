import type { Layout } from './layout.js';
import { partNames, readRecord, removeRecord, stopProcess } from './processes/records.js';
import { removeState, supervisorName } from './state.js';

const partGraceMs = 15_000;
/** a supervisor stops its parts one after the other before it ends */
const supervisorGraceMs = 60_000;

/** Stops every part that is on record under this home, last started first; returns the names of what ran. */
export async function stopRecorded(layout: Layout): Promise<string[]> {
  const stopped: string[] = [];
  for (const name of [...partNames].reverse()) {
    const record = readRecord(layout.pids, name);
    if (record === null) continue;
    await stopProcess(record, partGraceMs);
    removeRecord(layout.pids, record);
    stopped.push(name);
  }
  removeState(layout);
  return stopped;
}

/** Stops the stack of this home, whichever process started it: its supervisor first, which stops the rest in order. */
export async function stopStack(layout: Layout): Promise<string[]> {
  const running = [supervisorName, ...partNames].filter((name) => readRecord(layout.pids, name) !== null);
  const supervisor = readRecord(layout.pids, supervisorName);
  if (supervisor !== null) {
    await stopProcess(supervisor, supervisorGraceMs);
    removeRecord(layout.pids, supervisor);
  }
  await stopRecorded(layout);
  return running;
}
