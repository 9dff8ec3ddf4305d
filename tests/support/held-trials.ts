import pg from 'pg';
import { until } from './tiny-round.js';

/** Blocks writes to the ledger's trials until `work` has ended; `work` begins once an outcome waits to be written. */
export async function whileAnOutcomeWaits(databaseUrl: string, work: () => void): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    await client.query('begin');
    await client.query('lock table trials in exclusive mode');
    await until(async () => {
      // a transaction sees the activity that it saw first
      await client.query('select pg_stat_clear_snapshot()');
      const waiting = await client.query(
        `select pid from pg_stat_activity where wait_event_type = 'Lock' and query like 'update trials set (outcome%'`,
      );
      return waiting.rowCount;
    });
    work();
  } finally {
    await client.end();
  }
}
