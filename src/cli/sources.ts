import type { Client } from '@temporalio/client';
import type { Ledger } from '../ledger/index.js';
import { connect, currentTarget } from './connect.js';
import { connectLedger } from './ledger.js';

/** Where a command reads from: the server for what is live, the ledger for what is kept; either may be away. */
export interface Sources {
  client: Client | null;
  ledger: Ledger | null;
}

/**
 * Runs `work` with what answers of Temporal and the ledger.
 *
 * @throws what kept Temporal away, where neither answers
 */
export async function withSources<T>(work: (sources: Sources) => Promise<T>): Promise<T> {
  const [session, ledger] = await Promise.allSettled([
    connect(),
    Promise.resolve().then(() => connectLedger(currentTarget().stack)),
  ]);
  if (session.status === 'rejected' && ledger.status === 'rejected') throw session.reason;
  try {
    return await work({
      client: session.status === 'fulfilled' ? session.value.client : null,
      ledger: ledger.status === 'fulfilled' ? ledger.value : null,
    });
  } finally {
    if (session.status === 'fulfilled') await session.value.close();
    if (ledger.status === 'fulfilled') await ledger.value.close();
  }
}
