import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../..', import.meta.url));

/** The Temporal binary for tests: `TEMPORAL_CLI_PATH`, then `PATH`, then the virtual environment's; null where there is none. */
export function findTemporal(): string | null {
  const { TEMPORAL_CLI_PATH, PATH = '', SELKIE_VENV = path.join(repository, '.venv') } = process.env;
  const candidates = [
    ...(TEMPORAL_CLI_PATH === undefined ? [] : [TEMPORAL_CLI_PATH]),
    ...PATH.split(path.delimiter).map((folder) => path.join(folder, 'temporal')),
    path.join(SELKIE_VENV, 'bin', 'temporal'),
  ];
  return candidates.find(isExecutable) ?? null;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
