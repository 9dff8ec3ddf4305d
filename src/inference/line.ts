import PQueue from 'p-queue';

/**
 * The line before a server: a bounded number of questions of all attempts are open at once, in the order in which they came,
 * so that the first in line are answered while the others wait here, where it is known, and not in the server.
 */
export class Line {
  readonly #queue: PQueue;
  readonly #firstTurnMs = new WeakMap<AbortSignal, number>();

  constructor(open: number) {
    this.#queue = new PQueue({ concurrency: open });
  }

  /** Questions that have not had their turn. */
  get length(): number {
    return this.#queue.size;
  }

  /** When the attempt that `signal` ends had its first turn; null while all of its questions are in line. */
  firstTurnMs(signal: AbortSignal): number | null {
    return this.#firstTurnMs.get(signal) ?? null;
  }

  /** Asks one question, with all the requests that it takes, when it is its turn. */
  turn<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
    const now = (): Promise<T> => {
      if (!this.#firstTurnMs.has(signal)) this.#firstTurnMs.set(signal, Date.now());
      return ask();
    };
    return this.#queue.add(now, { signal });
  }
}
