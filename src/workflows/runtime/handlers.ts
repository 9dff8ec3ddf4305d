import { defineQuery, defineSignal, setHandler } from '@temporalio/workflow';
import { hasMoreParts } from '../../lib/size.js';

/** Parts that a message may have: the longest of ours has a tenth of them, and to say what is wrong with each takes its time. */
const mostParts = 2000;

/**
 * Installs what hears a signal, which anybody can send, with anything in it. An error thrown by a handler would fail the
 * workflow task, now and at every retry, because the signal stays in the history: here it becomes a refusal.
 */
export function onSignal(
  name: string,
  description: string,
  hear: (message: unknown) => void,
  refuse: (reason: string) => void,
): void {
  setHandler(
    defineSignal<[unknown]>(name),
    (message) => {
      attempt(
        () => {
          if (hasMoreParts(message, mostParts)) refuse(`has more than ${mostParts} parts`);
          else hear(message);
        },
        (reason) => {
          attempt(
            () => refuse(reason),
            () => undefined,
          );
        },
      );
    },
    { description },
  );
}

/** Installs the answer to a query. One that throws fails for its caller alone. */
export function onQuery(name: string, description: string, answer: () => unknown): void {
  setHandler(defineQuery(name), answer, { description });
}

function attempt(work: () => void, failed: (reason: string) => void): void {
  try {
    work();
  } catch (error) {
    failed(`could not be used: ${error instanceof Error ? error.message : 'no reason is known'}`);
  }
}
