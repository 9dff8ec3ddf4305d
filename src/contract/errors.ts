/**
 * The closed list of application error types, shared with the runner (golden payload `errors.json`).
 * `retryable` is what the thrower must set; an activity that meets anything else throws as it is and is retried.
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
  /** the model server is busy (429, 503), waits for the time it names */
  RateLimited: { retryable: true },
  /** the model server does not answer; waits without limit of attempts */
  ServerUnavailable: { retryable: true },
  /** the server accepted the adapter (200) and answers as if it had none */
  AdapterNotApplied: { retryable: true },
  /** more infra failures than `maxFailedFraction` allows */
  TooManyFailedTrials: { retryable: false },
  /** a campaign's round failed, or was cancelled or terminated; the message says why */
  RoundFailed: { retryable: false },
  /** a result does not parse with its schema */
  InvalidResult: { retryable: false },
} as const satisfies Record<string, { retryable: boolean }>;

export type ErrorType = keyof typeof errorTypes;
export const nonRetryableErrorTypes = Object.entries(errorTypes)
  .filter(([, { retryable }]) => !retryable)
  .map(([type]) => type);
