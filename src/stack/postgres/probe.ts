import pg from 'pg';
import { messageOf } from '../errors.js';

/** a server that takes the connection and never answers is not there, however long we would wait */
const queryWithinMs = 30_000;
const connectWithinMs = 10_000;

/** One query on a connection of its own. */
export async function query(
  url: string,
  sql: string,
  values: string[] = [],
  withinMs = connectWithinMs,
): Promise<pg.QueryResult> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: withinMs,
    query_timeout: queryWithinMs,
  });
  client.on('error', () => undefined); // the query that meets a broken connection reports it
  try {
    await client.connect();
    return await client.query(sql, values);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** Why a server does not let us in, and what to do, without its password; null when it does. */
export async function postgresProblem(url: string, withinMs = connectWithinMs): Promise<string | null> {
  if (!URL.canParse(url) || !/^postgres(ql)?:$/.test(new URL(url).protocol)) {
    return 'that is no address of a Postgres: give postgres://user:password@host:port/database';
  }
  try {
    await query(url, 'select 1', [], withinMs);
    return null;
  } catch (error) {
    return reasonOf(error);
  }
}

/** By the server's code, the system's or TLS's; the first that fits. */
const reasons: [RegExp, string][] = [
  [/^(28P01|28000)/, 'it refuses the user or the password, or it wants TLS (sslmode=require)'],
  [/^3D000/, 'it has no such database: make one (createdb), or name another'],
  [/^53300/, 'it has no connection left: end some, or raise max_connections'],
  [/^57P03/, 'it is still starting, or it is stopping: try again'],
  [/^ECONNREFUSED/, 'nothing listens there: start it, or check host and port'],
  [/^(ENOTFOUND|EAI_AGAIN)/, 'its host is not known: check the name'],
  [/^(ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)/, 'its host cannot be reached: check the network'],
  [/^(ECONNRESET|EPIPE)/, 'it ended the connection: check its log, and whether it wants TLS (sslmode=require)'],
  [/timeout/i, 'it does not answer in time: it is slow, overloaded or stopped'],
  [/does not support SSL/i, 'it has no TLS, and sslmode asks for it: leave sslmode out'],
  [
    /CERT|UNABLE_TO|certificate|altnames/i,
    'its certificate is not trusted: give its authority by sslrootcert=FILE in the address',
  ],
];

/** Exported for its test. */
export function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
  const message = messageOf(error);
  const [, reason] = reasons.find(([pattern]) => pattern.test(code) || pattern.test(message)) ?? [];
  const said = message === '' ? code : message;
  return reason === undefined ? said : `${reason} (${said})`;
}
