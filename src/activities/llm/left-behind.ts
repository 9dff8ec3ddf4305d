import { servedDigestOf } from '../../contract/index.js';
import type { Ledger } from '../../ledger/index.js';

/** Since a trial ended; its holder has unloaded its adapter long before, unless it was killed. */
const leftAfterSeconds = 600;

/** Of a server's adapters, those of trials that ended long ago. */
export async function leftBehind({ trials }: Ledger, names: string[]): Promise<string[]> {
  const digests = names.flatMap((name) => servedDigestOf(name) ?? []);
  const done = new Set(await trials.doneWith(digests, leftAfterSeconds));
  return names.filter((name) => done.has(servedDigestOf(name) ?? ''));
}
