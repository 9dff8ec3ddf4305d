import type { State } from '@temporalio/worker';
import { expect, it } from 'vitest';
import { runTogether } from './workflow-worker.js';

/** A worker that runs until it is shut down, or breaks when it is told to, and takes its time to end. */
function fakeWorker(broken: Error | null = null) {
  let state: State = 'INITIALIZED';
  let end = (): void => undefined;
  const ending = new Promise<void>((resolve) => (end = resolve));
  const drains = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));
  return {
    getState: () => state,
    shutdown: () => end(),
    run: async () => {
      state = 'RUNNING';
      if (broken === null) await ending;
      else await Promise.resolve();
      if (broken === null) await drains();
      state = broken === null ? 'STOPPED' : 'FAILED';
      if (broken !== null) throw broken;
    },
  };
}

it('ends all workers when one breaks, and then throws what broke it', async () => {
  const cause = new Error('the queue is gone');
  const workers = [fakeWorker(), fakeWorker(cause), fakeWorker()];
  await expect(runTogether(workers)).rejects.toBe(cause);
  expect(workers.map((worker) => worker.getState())).toEqual(['STOPPED', 'FAILED', 'STOPPED']);
});

it('throws what broke first where several break', async () => {
  const first = new Error('first');
  await expect(runTogether([fakeWorker(first), fakeWorker(new Error('second'))])).rejects.toBe(first);
});
