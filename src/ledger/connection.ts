import type { PoolConfig } from 'pg';
import { z } from 'zod';
import { LedgerUnavailable, asOutage, reasonOf } from './outage.js';

/** How long a connection may take to be made. */
const connectWithinMs = 10_000;

/** The settings of every connection; what the URL says goes before them. */
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

const codeSchema = z.object({ code: z.string() });

/** What Postgres, or TLS before it, refuses. */
const refusals: [RegExp, string][] = [
  [/^28/, 'refuses the login: check user and password in DATABASE_URL, and pg_hba.conf'],
  [/^3D000$/, 'has no such database: create it, or check the name in DATABASE_URL'],
  [/does not support SSL/, 'does not speak TLS: take sslmode out of DATABASE_URL, or switch TLS on there'],
  [
    /unsupported startup parameter/,
    'is behind a PgBouncer that does not take our bounds: set ignore_startup_parameters = statement_timeout, idle_in_transaction_session_timeout there',
  ],
  [/^42501$/, 'does not give this user the rights that the ledger needs'],
  [
    /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS|ERR_SSL|EPROTO/,
    'is reached, but TLS fails: give its CA by sslrootcert=FILE in DATABASE_URL (sslmode=require checks the certificate as verify-full does; sslmode=no-verify does not check it)',
  ],
];

/** Why a ledger cannot be connected to, for people; `LedgerUnavailable` where it is away and may come back. */
export function connectionError(error: unknown, databaseUrl: string): Error {
  const server = `the ledger's Postgres (${placeOf(databaseUrl)})`;
  const said = reasonOf(error);
  if (asOutage(error) instanceof LedgerUnavailable) {
    const how = /time/i.test(said) ? `does not answer within ${connectWithinMs / 1000} s` : 'does not answer';
    return new LedgerUnavailable(`${server} ${how}: is it running, and is DATABASE_URL right? (${said})`, {
      cause: error,
    });
  }
  const code = codeSchema.safeParse(error).data?.code ?? '';
  const refusal = refusals.find(([pattern]) => pattern.test(code) || pattern.test(said))?.[1];
  return new Error(`${server} ${refusal ?? 'cannot be used'} (${said})`, { cause: error });
}

/** The server and database of a URL, without user and password. */
function placeOf(databaseUrl: string): string {
  if (!URL.canParse(databaseUrl)) return 'not a URL';
  const { host, pathname } = new URL(databaseUrl);
  return `${host}${pathname}`;
}
