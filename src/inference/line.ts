import PQueue from 'p-queue';

/**
 * The queue before a server, first in, first out: a bounded number of questions of all attempts are open at once. The others
 * wait here, where a heartbeat can tell, and not in the server.
 */
export class Line {
  readonly #queue: PQueue;

  constructor(open: number) {
    this.#queue = new PQueue({ concurrency: open });
  }

  /** Questions that have not had their turn. */
  get length(): number {
    return this.#queue.size;
  }

  /** Asks one question, with all the requests that it takes, when it is its turn; `signal` takes it out of the line. */
  turn<T>(signal: AbortSignal, ask: () => Promise<T>): Promise<T> {
    return this.#queue.add(ask, { signal });
  }
}
