/** `npm` passes a Ctrl-C on that the terminal has sent us already: within this time it is the same one. */
const sameInterruptMs = 1500;

/**
 * Aborts at the first Ctrl-C (or TERM, or HUP), so that the command can end in order; a second one ends the process at
 * once, and the stack's guard stops what is left.
 */
export function onInterrupt(): AbortSignal {
  const controller = new AbortController();
  let firstMs: number | null = null;
  const listen = (): void => {
    const nowMs = Date.now();
    if (firstMs === null) {
      firstMs = nowMs;
      controller.abort();
    } else if (nowMs - firstMs > sameInterruptMs) {
      process.exit(130);
    }
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, listen);
  return controller.signal;
}

/** Resolves after `ms`, or as soon as the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}

/** Resolves when the signal aborts. */
export const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
