import { TemporalFailure } from '@temporalio/common';
import type { AwaitedErrorType, Busy } from '../../contract/index.js';
import { busyOf, causeOf } from './failures.js';

/** What is waited for, in the words of the timer. */
const reasons: Record<AwaitedErrorType, string> = {
  ServerBusy: 'the model server is busy',
  ServerUnavailable: 'the model server does not answer',
  LedgerUnavailable: 'the ledger does not answer',
  StoreUnavailable: 'the artifact store cannot be used',
};
export const awaitedTypes = Object.keys(reasons) as AwaitedErrorType[];

/** Why a failed call is to be made again after a wait; null for a failure that is no matter of waiting. */
export function awaitedOf(error: unknown): { why: string; busy: Busy } | null {
  if (!(error instanceof TemporalFailure)) return null;
  const { type } = causeOf(error);
  const awaited = awaitedTypes.find((candidate) => candidate === type);
  return awaited === undefined ? null : { why: reasons[awaited], busy: busyOf(error) };
}

const longestWaitMs = 300_000;

/**
 * How long to wait before each call of one activity: the waits double up to five minutes, so that two weeks of outage fit
 * into one history. A busy server's own word is heeded where it asks for more, and an attempt that answered a part is
 * followed by the next at once.
 */
export class Patience {
  readonly #firstMs: number;
  #waitMs: number;

  constructor(firstSeconds: number) {
    this.#firstMs = firstSeconds * 1000;
    this.#waitMs = this.#firstMs;
  }

  nextMs({ afterMs = 0, progressed = false }: Busy): number {
    if (progressed) this.#waitMs = this.#firstMs;
    const waitMs = Math.max(afterMs, this.#waitMs);
    this.#waitMs = Math.min(this.#waitMs * 2, longestWaitMs);
    return waitMs;
  }
}

/** A number in [0, 1) from the first digits of a random id: many calls that failed together do not come back together. */
export const fractionOf = (uuid: string): number => Number.parseInt(uuid.slice(0, 8), 16) / 2 ** 32;
