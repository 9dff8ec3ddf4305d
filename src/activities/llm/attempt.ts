import { setMaxListeners } from 'node:events';
import { Context } from '@temporalio/activity';
import { failure } from '../../contract/index.js';
import type { InferenceClient, Line } from '../../inference/index.js';
import { withHeartbeat, type Progress } from './progress.js';

/** One attempt of an activity that asks a model server. */
export interface Attempt {
  /** ends every request of the attempt: it was cancelled, gave up, or its time is over */
  signal: AbortSignal;
  /** told the first failure, after which no other request is worth its while */
  giveUp: (error: unknown) => void;
  /** asks one question when it is the attempt's turn */
  turn: <T>(ask: () => Promise<T>) => Promise<T>;
  progress: Progress;
}

/** The server's clock ends an attempt without a word, so it ends itself before: by a tenth, at most this. */
const mostMarginMs = 30_000;

/** Why the requests of an attempt end whose time is over; what that means is for `timeOver` to say. */
class TimeOver extends Error {}

/** Runs an attempt, which has until a little before the start-to-close time of its activity. */
export async function inAttempt<T>(inference: InferenceClient, work: (attempt: Attempt) => Promise<T>): Promise<T> {
  const { info, cancellationSignal } = Context.current();
  const allowedMs = info.startToCloseTimeoutMs - Math.min(info.startToCloseTimeoutMs / 10, mostMarginMs);
  const end = new AbortController();
  const signal = AbortSignal.any([cancellationSignal, end.signal]);
  // every open request listens to it
  setMaxListeners(0, signal);
  const timer = setTimeout(() => end.abort(new TimeOver()), allowedMs);
  const inLine = new PlaceInLine(inference.line, signal);
  let kept = (): number => 0;
  try {
    return await withHeartbeat(
      () => waitingFor(inference, inLine),
      (progress) => {
        kept = () => progress.kept;
        return work({ signal, giveUp: (error) => end.abort(error), turn: (ask) => inLine.turn(ask), progress });
      },
    );
  } catch (error) {
    if (!(error instanceof TimeOver)) throw error;
    throw timeOver({ allowedMs, kept: kept(), waitedMs: inLine.waitedMs() });
  } finally {
    clearTimeout(timer);
  }
}

/** Of one attempt: how long it waited for the first of its turns. */
class PlaceInLine {
  readonly #line: Line;
  readonly #signal: AbortSignal;
  #joinedMs: number | null = null;
  #firstTurnMs: number | null = null;

  constructor(line: Line, signal: AbortSignal) {
    this.#line = line;
    this.#signal = signal;
  }

  turn<T>(ask: () => Promise<T>): Promise<T> {
    this.#joinedMs ??= Date.now();
    return this.#line.turn(this.#signal, () => {
      this.#firstTurnMs ??= Date.now();
      return ask();
    });
  }

  get isWaiting(): boolean {
    return this.#joinedMs !== null && this.#firstTurnMs === null;
  }

  waitedMs(): number {
    return this.#joinedMs === null ? 0 : (this.#firstTurnMs ?? Date.now()) - this.#joinedMs;
  }
}

function waitingFor({ refused, line }: InferenceClient, inLine: PlaceInLine): string | null {
  if (refused > 0) return `the model server is busy: it told ${refused} requests of this worker to come back`;
  return inLine.isWaiting ? `queued: ${line.length} questions are in line` : null;
}

/**
 * An attempt that ran out of time is judged by progress: it counts only if the server had its questions for most of
 * that time and answered none. Its answers are kept. Time spent in line behind other requests is no evidence against
 * the server.
 */
function timeOver({ allowedMs, kept, waitedMs }: { allowedMs: number; kept: number; waitedMs: number }): Error {
  const seconds = Math.round(allowedMs / 1000);
  if (kept > 0) {
    const message = `the model server answered ${kept} of the questions in ${seconds} s; they are kept, and the rest is asked again`;
    return failure('ServerBusy', message, { details: [{ progressed: true }] });
  }
  if (waitedMs > allowedMs / 2) {
    return failure('ServerBusy', `the questions were in line behind others for most of ${seconds} s`);
  }
  return failure(
    'ServerSlow',
    `the model server took the questions and answered none in ${seconds} s: look at its log and load, or give the activity more time (startToCloseSeconds of its profile)`,
  );
}
