import { describe, expect, it } from 'vitest';
import { both, bothEnded, forEachConcurrently } from './concurrency.js';

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('forEachConcurrently', () => {
  it('works on every item once and in order, never on more than the limit at a time', async () => {
    let open = 0;
    let most = 0;
    const begun: string[] = [];
    await forEachConcurrently(['a', 'b', 'c', 'd', 'e'], 2, async (item, index) => {
      begun.push(`${item}${index}`);
      most = Math.max(most, ++open);
      await tick();
      open -= 1;
    });
    expect(most).toBe(2);
    expect(begun).toEqual(['a0', 'b1', 'c2', 'd3', 'e4']);
  });

  it('does nothing for no items', async () => {
    await forEachConcurrently([], 8, () => expect.fail('called'));
  });

  it('throws what failed first in time', async () => {
    const all = forEachConcurrently([0, 1], 2, async (item) => {
      if (item === 0) await tick();
      throw new Error(`item ${item}`);
    });
    await expect(all).rejects.toThrow('item 1');
  });

  it('begins nothing after a failure, waits for what is in flight, then throws', async () => {
    const begun: number[] = [];
    const ended: number[] = [];
    const all = forEachConcurrently([0, 1, 2, 3], 2, async (item) => {
      begun.push(item);
      if (item === 0) throw new Error('zero');
      await tick();
      ended.push(item);
    });
    await expect(all).rejects.toThrow('zero');
    expect(begun).toEqual([0, 1]);
    expect(ended).toEqual([1]);
  });

  it('tells the first failure alone, at once', async () => {
    const told: unknown[] = [];
    const end = new AbortController();
    const all = forEachConcurrently(
      [1, 2, 3],
      3,
      async (item) => {
        if (item === 2) throw new Error('no');
        await new Promise((_, reject) =>
          end.signal.addEventListener('abort', () => reject(new Error(`ended ${item}`))),
        );
      },
      (error) => {
        told.push(error);
        end.abort();
      },
    );
    await expect(all).rejects.toThrow('no');
    expect(told).toEqual([new Error('no')]);
  });
});

describe('both', () => {
  it('gives both results', async () => {
    expect(await both(Promise.resolve(1), Promise.resolve('two'))).toEqual([1, 'two']);
  });

  it('tells a failure at once, and throws it when the other has ended', async () => {
    const said: string[] = [];
    const other = tick().then(() => void said.push('other ended'));
    const failing = both(Promise.reject(new Error('no')), other, () => void said.push('gave up'));
    await expect(failing).rejects.toThrow('no');
    expect(said).toEqual(['gave up', 'other ended']);
  });
});

describe('bothEnded', () => {
  it('waits for both, and throws the failure of the first one, whichever came first', async () => {
    const late = new Promise<never>((_, reject) => setTimeout(() => reject(new Error('one')), 5));
    await expect(bothEnded(late, Promise.reject(new Error('other')))).rejects.toThrow('one');
    expect(await bothEnded(Promise.resolve(1), Promise.resolve('two'))).toEqual([1, 'two']);
  });
});
