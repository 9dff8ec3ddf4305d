import { ApplicationFailure } from '@temporalio/common';
import { z } from 'zod';

/**
 * The closed list of application error types, shared with the runner (`contract.json`).
 * `retryable` is what the thrower must set; an activity that meets anything else throws as it is and is retried.
 * `awaited`: a dependency is absent or busy. Such a failure uses up no attempt: the workflow waits, visibly and without
 * limit, and calls again. What is slow or refuses is counted.
 */
export const errorTypes = {
  /** a workflow's input does not parse; the message lists every problem and the valid keys */
  InvalidConfig: { retryable: false },
  /** the round id is already claimed by another configuration */
  RoundIdTaken: { retryable: false },
  /** the corpus cannot be read or has sources without questions; the message lists each */
  InvalidCorpus: { retryable: false },
  /** the request to an activity does not parse */
  InvalidRequest: { retryable: false },
  /** a dataset artifact is missing, corrupt or empty */
  InvalidDataset: { retryable: false },
  /** the named model is not in the registry or its files do not match its digest */
  ModelNotFound: { retryable: false },
  /** an artifact's bytes do not match its address */
  CorruptArtifact: { retryable: false },
  /** loss or gradient became non-finite */
  Diverged: { retryable: false },
  /** the trial's device-seconds are used up */
  DeviceBudgetExceeded: { retryable: false },
  /** too little memory; another attempt may find more */
  OutOfMemory: { retryable: true },
  /** the model server refused the request for good (400, 401, 404, 422) */
  ServerRefused: { retryable: false },
  /** the model server is busy: it says so (429, 503), has others before us, or has answered a part in an attempt's time */
  ServerBusy: { retryable: true, awaited: true },
  /** the model server cannot be reached (refused, reset, no such host, 502, 504) */
  ServerUnavailable: { retryable: true, awaited: true },
  /** the model server took a request and answered nothing in the whole time of an attempt */
  ServerSlow: { retryable: true },
  /** the ledger's Postgres cannot be reached, is shutting down or has no room */
  LedgerUnavailable: { retryable: true, awaited: true },
  /** the artifact store cannot be read or written: its disk is full, broken or not mounted */
  StoreUnavailable: { retryable: true, awaited: true },
  /** the server accepted the adapter (200) and answers as if it had none */
  AdapterNotApplied: { retryable: true },
  /** more infra failures than `maxFailedFraction` allows */
  TooManyFailedTrials: { retryable: false },
  /** a campaign's round failed, or was cancelled or terminated; the message has the reason */
  RoundFailed: { retryable: false },
  /** a result does not parse with its schema */
  InvalidResult: { retryable: false },
} as const satisfies Record<string, { retryable: false } | { retryable: true; awaited?: true }>;

export type ErrorType = keyof typeof errorTypes;
export type AwaitedErrorType = {
  [T in ErrorType]: (typeof errorTypes)[T] extends { awaited: true } ? T : never;
}[ErrorType];
export const nonRetryableErrorTypes = Object.entries(errorTypes)
  .filter(([, { retryable }]) => !retryable)
  .map(([type]) => type);

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
