import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import pg from 'pg';

/** From the package's root, so that `dist/` finds the same SQL as `src/`. */
const migrations = fileURLToPath(new URL('../../src/ledger/migrations', import.meta.url));

/**
 * Brings the ledger's schema up to date. Run by every process that starts: whoever comes second waits for the first and
 * then finds nothing to do.
 *
 * @returns the migrations that this call ran
 */
export async function migrate(databaseUrl: string): Promise<string[]> {
  // a client of ours, since the runner does not wait for the end of its own: a Postgres stopped next would end the process
  const dbClient = new pg.Client({ connectionString: databaseUrl });
  dbClient.on('error', ignore);
  try {
    await dbClient.connect();
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
  } finally {
    await dbClient.end();
  }
}

function ignore(): void {
  // errors are thrown as well
}
