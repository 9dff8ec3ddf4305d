import { Client, Connection, type ConnectionOptions } from '@temporalio/client';
import { join } from 'node:path';
import { repoRoot } from './layout.js';
import type { Endpoints } from './state.js';

/** Temporal loads the converter by its path; only the compiled one can be loaded. */
const payloadConverterPath = join(repoRoot, 'dist', 'contract', 'payload-converter.js');

/** A client that reads and writes as the workers do. Close its connection. */
export async function connectClient(options: ConnectionOptions, namespace?: string): Promise<Client> {
  const connection = await Connection.connect(options);
  return new Client({
    connection,
    ...(namespace === undefined ? {} : { namespace }),
    dataConverter: { payloadConverterPath },
  });
}

/** A client of a stack's Temporal. Close its connection. */
export const clientOf = ({ temporalAddress }: Pick<Endpoints, 'temporalAddress'>): Promise<Client> =>
  connectClient({ address: temporalAddress });
