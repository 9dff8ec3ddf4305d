import pg from 'pg';
import { connectionReason } from '../../ledger/index.js';

/** A server that takes the connection and does not answer within this is absent. */
const queryWithinMs = 30_000;
const connectWithinMs = 10_000;

/** One query on its own connection. */
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
    return 'this is no address of a Postgres: give postgres://user:password@host:port/database';
  }
  try {
    await query(url, 'select 1', [], withinMs);
    return null;
  } catch (error) {
    return `it ${connectionReason(error)}`;
  }
}
