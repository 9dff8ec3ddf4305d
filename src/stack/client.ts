import { Client, Connection } from '@temporalio/client';
import { join } from 'node:path';
import { repoRoot } from './layout.js';
import type { Endpoints } from './state.js';

/** Temporal loads the converter by its path; only the compiled one can be loaded. */
export const payloadConverterPath = join(repoRoot, 'dist', 'contract', 'payload-converter.js');

/** A client of a stack's Temporal. Close its connection. */
export async function clientOf({ temporalAddress }: Pick<Endpoints, 'temporalAddress'>): Promise<Client> {
  const connection = await Connection.connect({ address: temporalAddress });
  return new Client({ connection, dataConverter: { payloadConverterPath } });
}
