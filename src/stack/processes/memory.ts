import { processTable, treeOf } from './processes.js';
import type { Layout } from '../layout.js';
import { readRecords } from './records.js';

export interface MemoryWatch {
  /** the highest sum so far, in bytes; 0 where the processes cannot be read */
  peakBytes(): number;
  stop(): void;
}

const everyMs = 2000;

/**
 * Samples, every two seconds, the resident memory of this process, of the stack's parts and of everything that they
 * started. Pages that processes share count once for each, so the truth is a little less.
 */
export function watchMemory(layout: Layout): MemoryWatch {
  let peak = 0;
  const sample = async () => {
    const roots = [process.pid, ...readRecords(layout.pids).map(({ pid }) => pid)];
    const sum = treeOf(await processTable(), roots).reduce((bytes, { rssBytes }) => bytes + rssBytes, 0);
    peak = Math.max(peak, sum);
  };
  const timer = setInterval(() => void sample(), everyMs);
  timer.unref();
  void sample();
  return { peakBytes: () => peak, stop: () => clearInterval(timer) };
}
