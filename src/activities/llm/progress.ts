import { Context } from '@temporalio/activity';

/** What a heartbeat says: how many of the questions at hand are answered. */
export interface AskingHeartbeat {
  doing: string;
  done: number;
  of: number;
}

export interface Progress {
  begin(doing: string, of: number): void;
  step(): void;
}

/** Beats where the activity was started without a heartbeat timeout. */
const defaultTimeoutMs = 30_000;

/**
 * Runs `work` with a heartbeat at its start, at every step, and in between: a question may queue for minutes behind a busy
 * device, and only a beat learns of a cancellation. A server that never answers is found by the client's own timeout.
 */
export async function withHeartbeat<T>(work: (progress: Progress) => Promise<T>): Promise<T> {
  const context = Context.current();
  const now: AskingHeartbeat = { doing: 'preparing', done: 0, of: 0 };
  const beat = (): void => context.heartbeat({ ...now });
  const timer = setInterval(beat, (context.info.heartbeatTimeoutMs ?? defaultTimeoutMs) / 3);
  try {
    beat();
    return await work({
      begin(doing, of) {
        Object.assign(now, { doing, done: 0, of });
        beat();
      },
      step() {
        now.done += 1;
        beat();
      },
    });
  } finally {
    clearInterval(timer);
  }
}
