import { readFile } from 'node:fs/promises';
import { processTable, treeOf } from './processes.js';
import type { Layout } from '../layout.js';
import { readRecords } from './records.js';

export interface MemoryWatch {
  /** the highest sum so far, in bytes; 0 where the processes cannot be read */
  peakBytes(): number;
  stop(): void;
}

const everyMs = 2000;

/** Samples, every two seconds, the memory of this process, of the stack's parts and of everything that they started. */
export function watchMemory(layout: Layout): MemoryWatch {
  let peak = 0;
  const sample = async () => {
    const roots = [process.pid, ...readRecords(layout.pids).map(({ pid }) => pid)];
    const held = await Promise.all(treeOf(await processTable(), roots).map(heldBytes));
    peak = Math.max(
      peak,
      held.reduce((sum, bytes) => sum + bytes, 0),
    );
  };
  const timer = setInterval(() => void sample(), everyMs);
  timer.unref();
  void sample();
  return { peakBytes: () => peak, stop: () => clearInterval(timer) };
}

/** A page that N processes share counts as 1/N in each, where the system tells (Linux); elsewhere once in each. */
async function heldBytes({ pid, rssBytes }: { pid: number; rssBytes: number }): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
  const kibibytes = /^Pss:\s+(\d+) kB$/mu.exec(rollup)?.[1];
  return kibibytes === undefined ? rssBytes : Number(kibibytes) * 1024;
}
