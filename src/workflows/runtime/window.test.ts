import { expect, it } from 'vitest';
import { mapConcurrently } from './window.js';

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it('has no more than the width in flight, and takes the items in order', async () => {
  let running = 0;
  let most = 0;
  const begun: string[] = [];
  await mapConcurrently(['a', 'b', 'c', 'd', 'e'], 2, async (item, index) => {
    begun.push(`${item}${index}`);
    running += 1;
    most = Math.max(most, running);
    await tick();
    running -= 1;
  });
  expect(most).toBe(2);
  expect(begun).toEqual(['a0', 'b1', 'c2', 'd3', 'e4']);
});

it('does nothing for nothing', async () => {
  await mapConcurrently([], 3, () => Promise.reject(new Error('never')));
});

it('throws what failed first, in time', async () => {
  const all = mapConcurrently([0, 1], 2, async (item) => {
    if (item === 0) await tick();
    throw new Error(`item ${item}`);
  });
  await expect(all).rejects.toThrow('item 1');
});

it('begins nothing after a failure, waits for what is in flight, then throws', async () => {
  const begun: number[] = [];
  const ended: number[] = [];
  const all = mapConcurrently([0, 1, 2, 3], 2, async (item) => {
    begun.push(item);
    if (item === 0) throw new Error('zero');
    await tick();
    ended.push(item);
  });
  await expect(all).rejects.toThrow('zero');
  expect(begun).toEqual([0, 1]);
  expect(ended).toEqual([1]);
});
