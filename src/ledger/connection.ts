import type { PoolConfig } from 'pg';
import { connectionReason } from './connection-reason.js';
import { LedgerUnavailable, asOutage } from './outage.js';

/** How long a connection may take to be made. */
const connectWithinMs = 10_000;

/** The settings of every connection; settings in the URL take precedence. */
export const connectionOf = (databaseUrl: string): PoolConfig => ({
  connectionString: databaseUrl,
  connectionTimeoutMillis: connectWithinMs,
  // a server that is gone without a word is noticed between queries too
  keepAlive: true,
});

/**
 * Bounds of a query, below the two minutes of a ledger activity: Postgres itself ends a statement that is slow (it stays a
 * failure that is counted); a Postgres that does not even do that is away. One that is left within a transaction gives its
 * locks back.
 */
export const queryBounds = {
  statement_timeout: 60_000,
  query_timeout: 75_000,
  idle_in_transaction_session_timeout: 60_000,
} satisfies PoolConfig;

/** Why a ledger cannot be connected to, for people; `LedgerUnavailable` where it is away and may come back. */
export function connectionError(error: unknown, databaseUrl: string): Error {
  const message = `the ledger's Postgres (${placeOf(databaseUrl)}) ${connectionReason(error)}`;
  return asOutage(error) instanceof LedgerUnavailable
    ? new LedgerUnavailable(message, { cause: error })
    : new Error(message, { cause: error });
}

/** The server and database of a URL, without user and password. */
function placeOf(databaseUrl: string): string {
  if (!URL.canParse(databaseUrl)) return 'not a URL';
  const { host, pathname } = new URL(databaseUrl);
  return `${host}${pathname}`;
}
