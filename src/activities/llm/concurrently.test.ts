import { describe, expect, it } from 'vitest';
import { concurrently } from './concurrently.js';

const later = () => new Promise((done) => setTimeout(done, 1));

describe('concurrently', () => {
  it('works on every item once, never on more than the limit at a time', async () => {
    let open = 0;
    let most = 0;
    const seen: number[] = [];
    const items = Array.from({ length: 20 }, (_, i) => i);
    await concurrently(items, 3, async (item) => {
      most = Math.max(most, ++open);
      await later();
      open -= 1;
      seen.push(item);
    });
    expect(most).toBe(3);
    expect(seen.sort((a, b) => a - b)).toEqual(items);
  });

  it('after a failure begins nothing more, and throws only when all is over', async () => {
    const begun: number[] = [];
    let open = 0;
    const work = concurrently([1, 2, 3, 4, 5, 6], 2, async (item) => {
      begun.push(item);
      open += 1;
      await later();
      if (item === 2) await later();
      open -= 1;
      if (item === 1) throw new Error('no');
    });
    await expect(work).rejects.toThrow('no');
    expect(open).toBe(0);
    expect(begun).toEqual([1, 2]);
  });

  it('tells the first failure alone, at once', async () => {
    const told: unknown[] = [];
    const end = new AbortController();
    const work = concurrently(
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
    await expect(work).rejects.toThrow();
    expect(told).toEqual([new Error('no')]);
  });

  it('has nothing to do for no items', async () => {
    await concurrently([], 8, () => expect.fail('called'));
  });
});
