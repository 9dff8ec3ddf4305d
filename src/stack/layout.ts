import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout: two folders above this file, in `src/` and in `dist/` alike. */
export const repoRoot = fileURLToPath(new URL('../../', import.meta.url));

/** Everything that a running stack keeps, under one folder. */
export interface Layout {
  home: string;
  /** where the stack of this home can be reached, while it runs */
  state: string;
  /** the ports taken last time */
  ports: string;
  /** one record per process that was started */
  pids: string;
  logs: string;
  /** a profile for Temporal's own tools: `TEMPORAL_CONFIG_FILE` */
  temporalConfig: string;
  temporalDb: string;
  postgres: string;
  postgresPassword: string;
  store: string;
  work: string;
  models: string;
}

/** The layout under `home`, by default `SELKIE_HOME` or `.selkie` in the checkout. */
export function layoutOf(home = process.env['SELKIE_HOME'] ?? '.selkie'): Layout {
  const base = resolve(repoRoot, home);
  return {
    home: base,
    state: join(base, 'stack.json'),
    ports: join(base, 'ports.json'),
    pids: join(base, 'pids'),
    logs: join(base, 'logs'),
    temporalConfig: join(base, 'temporal.toml'),
    temporalDb: join(base, 'temporal.db'),
    postgres: join(base, 'postgres'),
    postgresPassword: join(base, 'postgres.password'),
    store: join(base, 'store'),
    work: join(base, 'work'),
    models: join(base, 'models'),
  };
}

/** The Python environment: `SELKIE_VENV`, or the one that `scripts/` made. */
export const venvOf = (env: NodeJS.ProcessEnv = process.env): string =>
  resolve(repoRoot, env['SELKIE_VENV'] ?? '.venv');
