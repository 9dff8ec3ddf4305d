import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import { connectionError, connectionOf } from './connection.js';
import { asOutage } from './outage.js';

/** From the package's root, so that `dist/` finds the same SQL as `src/`. */
const migrations = fileURLToPath(new URL('../../src/ledger/migrations', import.meta.url));

/**
 * Brings the ledger's schema up to date. Every process that starts runs it: a second one waits for the first and then
 * finds nothing to do.
 *
 * @returns the migrations that this call ran
 * @throws LedgerUnavailable where the server does not answer
 * @throws Error with the server's reason where it refuses
 */
export async function migrate(databaseUrl: string): Promise<string[]> {
  // our client: the runner does not wait until its own client has ended, and a Postgres stopped next would end the
  // process
  const dbClient = new pg.Client(connectionOf(databaseUrl));
  dbClient.on('error', ignore);
  try {
    await dbClient.connect().catch((error: unknown) => {
      throw connectionError(error, databaseUrl);
    });
    const ran = await runner({
      dbClient,
      dir: migrations,
      direction: 'up',
      migrationsTable: 'migrations',
      advisoryLockMode: 'wait',
      // its progress is what this function returns
      logger: { debug: ignore, info: ignore, warn: ignore, error: ignore },
    });
    return ran.map(({ name }) => name);
  } catch (error) {
    throw asOutage(error);
  } finally {
    await dbClient.end();
  }
}

function ignore(): void {
  // errors are thrown as well
}
