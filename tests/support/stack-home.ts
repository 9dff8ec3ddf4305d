import { chmodSync, existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layoutOf } from '../../src/stack/index.js';
import { anyPort } from './port.js';

/**
 * A new home for a stack, with its own ports: those that people use are left alone. `closed`: only its owner may enter,
 * as is usual under a home folder.
 */
export async function makeStackHome({ closed = false } = {}): Promise<string> {
  const home = mkdtempSync(join(tmpdir(), 'selkie-stack-'));
  if (!closed) chmodSync(home, 0o755);
  const [temporal, temporalUi, postgres, inference] = await Promise.all([anyPort(), anyPort(), anyPort(), anyPort()]);
  writeFileSync(layoutOf(home).ports, JSON.stringify({ temporal, temporalUi, postgres, inference }));
  return home;
}

/** Deletes a home, and the ledger's files where root had to put them elsewhere. Stop its stack first. */
export function removeStackHome(home: string): void {
  const { postgres } = layoutOf(home);
  if (existsSync(postgres)) rmSync(realpathSync(postgres), { recursive: true, force: true });
  rmSync(home, { recursive: true, force: true });
}
