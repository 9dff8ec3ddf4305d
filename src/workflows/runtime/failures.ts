import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  ChildWorkflowFailure,
  TemporalFailure,
  TerminatedFailure,
  TimeoutFailure,
} from '@temporalio/common';
import { busySchema, trainFailureSchema, type Busy, type ErrorType } from '../../contract/index.js';

/** What is at the bottom of a failed activity or child: a type (the contract's, where the thrower used it) and words. */
export interface Cause {
  type: string;
  message: string;
}

/** What is under the wrappers that Temporal puts around a failure. */
function bottomOf(failure: Error): Error {
  const isWrapper = failure instanceof ActivityFailure || failure instanceof ChildWorkflowFailure;
  return isWrapper && failure.cause ? bottomOf(failure.cause) : failure;
}

/** The cause of a failure, whatever is wrapped around it. */
export function causeOf(wrapped: TemporalFailure): Cause {
  const failure = bottomOf(wrapped);
  if (failure instanceof ApplicationFailure) {
    return { type: failure.type ?? 'Error', message: failure.message };
  }
  if (failure instanceof TimeoutFailure) {
    return { type: 'Timeout', message: `timed out (${failure.timeoutType ?? 'of an unknown kind'})` };
  }
  if (failure instanceof TerminatedFailure) return { type: 'Terminated', message: 'was terminated' };
  if (failure instanceof CancelledFailure) return { type: 'Cancelled', message: 'was cancelled' };
  return { type: failure.name, message: failure.message };
}

/** What a failed training had used of the device; null where the runner did not say. */
export function deviceSecondsOf(wrapped: TemporalFailure): number | null {
  const failure = bottomOf(wrapped);
  if (!(failure instanceof ApplicationFailure)) return null;
  const details = trainFailureSchema.safeParse(failure.details?.[0]);
  return details.success ? details.data.deviceSeconds : null;
}

/** What a busy model server states about the next call; empty where it states nothing. */
export function busyOf(wrapped: TemporalFailure): Busy {
  const failure = bottomOf(wrapped);
  if (!(failure instanceof ApplicationFailure)) return {};
  return busySchema.safeParse(failure.details?.[0]).data ?? {};
}

/** Whether the thrower gave the failure this type. */
export const isFailure = (error: unknown, type: ErrorType): boolean =>
  error instanceof TemporalFailure && causeOf(error).type === type;

/** One line for people and for the ledger, at most `length` characters. */
export function sentenceOf(failure: TemporalFailure, length = 1000): string {
  const { type, message } = causeOf(failure);
  return `${type}: ${message}`.slice(0, length);
}

/** What ends a workflow visibly: the cause's own type and message instead of "Activity task failed". */
export function asWorkflowFailure(failure: TemporalFailure): ApplicationFailure {
  const { type, message } = causeOf(failure);
  return ApplicationFailure.create({ type, message, nonRetryable: true, cause: failure });
}
