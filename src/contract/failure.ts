import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';
import { errorTypes, type ErrorType } from './errors.js';

/** What a `ServerBusy` may say of the next call; its workflow waits by it. */
export const busySchema = z.object({
  /** for how long the server asks not to be asked */
  afterMs: z.number().min(0).max(3_600_000).optional(),
  /** the attempt answered a part, which is kept: the next need not be delayed */
  progressed: z.boolean().optional(),
});
export type Busy = z.infer<typeof busySchema>;

export interface FailureDetails {
  cause?: Error;
  details?: unknown[];
}

/** An error of the contract's closed list, retryable as the list says. */
export function failure(type: ErrorType, message: string, { cause, details }: FailureDetails = {}): ApplicationFailure {
  return ApplicationFailure.create({
    type,
    message,
    nonRetryable: !errorTypes[type].retryable,
    ...(cause === undefined ? {} : { cause }),
    ...(details === undefined ? {} : { details }),
  });
}
