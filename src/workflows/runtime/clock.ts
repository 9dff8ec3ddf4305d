/* eslint-disable no-restricted-globals -- the sandbox replaces Date by workflow time; this file alone may use it */

/**
 * Milliseconds of workflow time: that of the workflow task under way, the same in every replay. For deadlines and for
 * the times that people read; nothing else in a workflow may ask for the time.
 */
export const workflowNow = (): number => Date.now();

/** Total, as a number that is no time comes from outside. */
export function isoTime(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? 'no time' : date.toISOString();
}
