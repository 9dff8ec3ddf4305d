import { ApplicationFailure } from '@temporalio/common';
import { APIConnectionError, APIError } from 'openai';
import { busySchema, failure, type Busy } from '../contract/index.js';

/** The longest `Retry-After` that is heeded. */
const longestRetryAfterMs = 3_600_000;

/** The server answered something else than was asked for. */
export class UnreadableAnswer extends Error {
  override readonly name = 'UnreadableAnswer';
}

/** Some hosted APIs answer 529 for 503. */
const busyStatuses = new Set([429, 503, 529]);
/** A gateway's answers for an absent server; 521 to 524 are Cloudflare's. */
const absentStatuses = new Set([408, 502, 504, 521, 522, 523, 524]);

/** For callers that can recover: a 404 for an adapter's name means that it has to be loaded again. */
interface RefusalDetails {
  status: number;
}

/**
 * What a failed request means in the contract's words. `doing` names the request. Server errors that are none of the
 * list's (500, an answer that cannot be read) stay plain errors: a bounded number of attempts retries them. Some servers
 * repeat the key in their refusal; it must not reach a history or a log.
 */
export function requestFailure(error: unknown, doing: string, apiKey?: string): Error {
  if (error instanceof APIConnectionError) {
    const { message, code } = rootOf(error);
    if (tlsCodes.test(code)) return failure('ServerRefused', `${doing}: TLS to the model server fails (${message})`);
    return failure('ServerUnavailable', `${doing}: the model server does not answer (${message})`);
  }
  if (error instanceof APIError && typeof error.status === 'number') {
    const message = apiKey ? error.message.replaceAll(apiKey, '[key]') : error.message;
    return statusFailure(error.status, error.headers as Headers | undefined, `${doing}: ${message}`);
  }
  if (error instanceof TypeError && error.cause !== undefined) {
    // fetch reports a connection that broke within the answer's body this way
    return failure('ServerUnavailable', `${doing}: the model server went away mid-answer (${rootOf(error).message})`);
  }
  return new Error(`${doing}: the model server's answer cannot be read (${rootOf(error).message})`, { cause: error });
}

function statusFailure(status: number, headers: Headers | undefined, message: string): Error {
  if (busyStatuses.has(status)) {
    const afterMs = retryAfterMs(headers?.get('retry-after') ?? null, Date.now());
    return failure('ServerBusy', message, { details: [(afterMs === null ? {} : { afterMs }) satisfies Busy] });
  }
  if (absentStatuses.has(status)) return failure('ServerUnavailable', message);
  if (status >= 400 && status < 500) {
    return failure('ServerRefused', message, { details: [{ status } satisfies RefusalDetails] });
  }
  return new Error(message);
}

/** Milliseconds that a `Retry-After` header (seconds or an HTTP date) asks to wait; null where it is not usable. */
export function retryAfterMs(header: string | null, nowMs: number): number | null {
  if (header === null || header.trim() === '') return null;
  const seconds = Number(header);
  const ms = Number.isNaN(seconds) ? Date.parse(header) - nowMs : seconds * 1000;
  return Number.isFinite(ms) ? Math.min(Math.max(Math.ceil(ms), 0), longestRetryAfterMs) : null;
}

/** The status with which the server refused for good, or null for any other error. */
export function refusedStatus(error: unknown): number | null {
  if (!(error instanceof ApplicationFailure) || error.type !== 'ServerRefused') return null;
  const details = error.details?.[0] as RefusalDetails | undefined;
  return details?.status ?? null;
}

/** A busy server's advice on the next try, or null for any other error. */
export function busyWith(error: unknown): Busy | null {
  if (!(error instanceof ApplicationFailure) || error.type !== 'ServerBusy') return null;
  return busySchema.parse(error.details?.[0] ?? {});
}

/** A certificate does not get better by waiting. */
const tlsCodes = /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS|ERR_SSL|EPROTO/;

/** `fetch failed` alone is no help: the reason (ECONNREFUSED …) is at the end of the chain of causes. */
function rootOf(error: unknown): { message: string; code: string } {
  let root = error;
  while (root instanceof Error && root.cause !== undefined) root = root.cause;
  if (!(root instanceof Error)) return { message: String(root), code: '' };
  const { code = '' } = root as NodeJS.ErrnoException;
  return { message: root.message === '' ? code || root.name : root.message, code };
}
