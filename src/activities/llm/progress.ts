import { Context } from '@temporalio/activity';
import type { AskingHeartbeat } from '../../contract/index.js';

export interface Progress {
  begin(doing: string, of: number): void;
  /** one more is answered, and kept */
  step(): void;
  /** steps of this attempt so far */
  readonly kept: number;
}

/** Beats where the activity was started without a heartbeat timeout. */
const defaultTimeoutMs = 30_000;

/**
 * Runs `work` with a heartbeat at its start, at every step, and in between: a question may queue for minutes behind a busy
 * device, and only a beat learns of a cancellation.
 */
export async function withHeartbeat<T>(
  waitingFor: () => string | null,
  work: (progress: Progress) => Promise<T>,
): Promise<T> {
  const context = Context.current();
  const now = { doing: 'preparing', done: 0, of: 0 };
  let kept = 0;
  const beat = (): void => context.heartbeat({ ...now, waitingFor: waitingFor() } satisfies AskingHeartbeat);
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
        kept += 1;
        beat();
      },
      get kept() {
        return kept;
      },
    });
  } finally {
    clearInterval(timer);
  }
}
