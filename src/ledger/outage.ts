import { z } from 'zod';
import { messageOf } from '../lib/error-message.js';

/** Postgres is away and may come back by itself. Its name is an error type of the contract. */
export class LedgerUnavailable extends Error {
  override readonly name = 'LedgerUnavailable';
}

/** Of the network. */
const networkCodes = new Set(
  (
    'ECONNREFUSED ECONNRESET ECONNABORTED EPIPE ETIMEDOUT EHOSTUNREACH EHOSTDOWN ENETUNREACH ENETDOWN EADDRNOTAVAIL ' +
    'ENOTFOUND EAI_AGAIN'
  ).split(' '),
);

/**
 * SQLSTATEs with which Postgres reports that it cannot serve for now: connection exceptions (08), no room or
 * connections left (53), its own disk (58030), shutdowns, crashes and start-ups (57P0x), a connection that it ended for
 * being idle (25P03), and a server that another has taken over from (25006).
 */
const awayStates = /^((08|53)...|57P0.|58030|25P03|25006)$/;

/** What `pg` and its pool say without a code. */
const awayMessages =
  /^(Connection terminated|timeout exceeded when trying to connect|timeout expired|Query read timeout|Client has encountered a connection error|Client was closed)/;

/** A pooler that refuses for good uses the state of a broken connection for it. */
const poolerRefuses = /unsupported startup parameter|no such (user|database)|authentication|password/i;

const systemErrorSchema = z.object({ code: z.string(), syscall: z.string().optional() });

/** The error as it is, or as `LedgerUnavailable` where the server is away. What is slow or refuses stays what it is. */
export function asOutage(error: unknown): unknown {
  if (!isAway(error)) return error;
  return new LedgerUnavailable(`the ledger's Postgres is away: ${messageOf(error)}`, { cause: error });
}

function isAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  // several addresses of one host, none of which answered
  if (error instanceof AggregateError) return error.errors.some(isAway);
  const { code, syscall } = systemErrorSchema.safeParse(error).data ?? {};
  if (code === undefined) return awayMessages.test(error.message);
  // a socket file that is not there, and not a file of certificates
  if (code === 'ENOENT') return syscall === 'connect';
  if (code === '08P01' && poolerRefuses.test(error.message)) return false;
  return networkCodes.has(code) || awayStates.test(code);
}
