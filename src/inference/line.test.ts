import { describe, expect, it } from 'vitest';
import { Line } from './line.js';

const never = (): Promise<never> => new Promise<never>(() => undefined);

describe('the line before a server', () => {
  it('opens a bounded number of questions of all attempts, the first in line first', async () => {
    const line = new Line(3);
    const attempts = ['a', 'b', 'c'].map((name) => ({ name, end: new AbortController() }));
    const begun: string[] = [];
    let open = 0;
    let most = 0;
    const asked = attempts.flatMap(({ name, end }) =>
      Array.from({ length: 4 }, (_, i) =>
        line.turn(end.signal, async () => {
          begun.push(`${name}${i}`);
          most = Math.max(most, ++open);
          await new Promise((done) => setTimeout(done, 1));
          open -= 1;
        }),
      ),
    );
    expect(line.length).toBe(9);
    await Promise.all(asked);
    expect(most).toBe(3);
    expect(begun).toEqual(attempts.flatMap(({ name }) => [0, 1, 2, 3].map((i) => `${name}${i}`)));
  });

  it('lets go of the questions of an attempt that ended, begun or not', async () => {
    const line = new Line(2);
    const end = new AbortController();
    const asked = Promise.allSettled(Array.from({ length: 5 }, () => line.turn(end.signal, never)));
    const reason = new Error('over');
    end.abort(reason);
    expect(await asked).toEqual(Array.from({ length: 5 }, () => ({ status: 'rejected', reason })));
    expect(line.length).toBe(0);
    expect(await line.turn(new AbortController().signal, () => Promise.resolve('next'))).toBe('next');
  });
});
