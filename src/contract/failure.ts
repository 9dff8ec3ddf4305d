import { ApplicationFailure } from '@temporalio/common';
import { errorTypes, type ErrorType } from './errors.js';

export interface FailureDetails {
  cause?: Error;
  /** the server waits at least this long before the next attempt */
  afterMs?: number;
  details?: unknown[];
}

/** An error of the contract's closed list, retryable as the list says. */
export function failure(
  type: ErrorType,
  message: string,
  { cause, afterMs, details }: FailureDetails = {},
): ApplicationFailure {
  return ApplicationFailure.create({
    type,
    message,
    nonRetryable: !errorTypes[type].retryable,
    ...(cause === undefined ? {} : { cause }),
    ...(afterMs === undefined ? {} : { nextRetryDelay: afterMs }),
    ...(details === undefined ? {} : { details }),
  });
}
