import { execa } from 'execa';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ChildSpec } from '../processes/child.js';
import { StackError } from '../errors.js';
import type { Layout } from '../layout.js';
import { postgresProblem, query } from './probe.js';
import { findPostgresPlace, type PostgresPlace } from './place.js';

const role = 'selkie';
const database = 'selkie';
/** of one look whether it is ready; it is looked at again */
const ownWithinMs = 2000;
/** What the stack needs to run its own Postgres: how to start it, and the ledger's address once it runs. */
export interface OwnPostgres {
  spec: ChildSpec;
  databaseUrl: string;
  /** makes the ledger's database if the server has none */
  createDatabase: () => Promise<void>;
}

/** An embedded server on the loopback; its files are made by the first call. */
export async function ownPostgres(layout: Layout, port: number, env: NodeJS.ProcessEnv): Promise<OwnPostgres> {
  const place = await findPostgresPlace(layout);
  const password = existsSync(place.data) ? readPassword(layout) : await initialise(place, layout);
  const url = (name: string) => `postgres://${role}:${password}@127.0.0.1:${port}/${name}`;
  return {
    spec: {
      name: 'postgres',
      command: join(place.programs, 'bin', 'postgres'),
      args: [
        ...['-D', place.data, '-p', String(port)],
        ...['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='],
      ],
      env,
      cwd: '/',
      user: place.user,
      logFile: join(layout.logs, 'postgres.log'),
      isReady: async () => (await postgresProblem(url('postgres'), ownWithinMs)) === null,
      readyWithinMs: 60_000,
      stopSignal: 'SIGINT', // a fast shutdown: SIGTERM waits for every client
      stopWithinMs: 15_000,
      advise: () => `Its data is in ${place.data}; DATABASE_URL makes Selkie use a server of yours instead.`,
    },
    databaseUrl: url(database),
    createDatabase: () => ensureDatabase(url('postgres')),
  };
}

function readPassword(layout: Layout): string {
  try {
    return readFileSync(layout.postgresPassword, 'utf8');
  } catch {
    throw new StackError(
      `the password of the ledger in ${layout.postgres} is gone (${layout.postgresPassword}): put it back, or delete ${layout.home} to start with an empty ledger.`,
    );
  }
}

/** Makes a cluster whose only role has a random password, and returns that. An interrupted attempt leaves no `data`. */
async function initialise(place: PostgresPlace, layout: Layout): Promise<string> {
  const password = randomBytes(18).toString('hex');
  writeFileSync(layout.postgresPassword, password, { mode: 0o600 });
  const unfinished = `${place.data}.new`;
  const passwordFile = `${place.data}.password`;
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (place.user !== undefined) chownSync(passwordFile, place.user.uid, place.user.gid);
  rmSync(unfinished, { recursive: true, force: true });
  const initdb = await execa(
    join(place.programs, 'bin', 'initdb'),
    [
      ...['-D', unfinished, '-U', role, '--auth=scram-sha-256', `--pwfile=${passwordFile}`],
      ...['--encoding=UTF8', '--locale=C', '--no-instructions'],
    ],
    { ...place.user, cwd: '/', reject: false, all: true },
  );
  rmSync(passwordFile, { force: true });
  if (initdb.failed) {
    throw new StackError(
      `Postgres could not make its files in ${place.data}:\n${initdb.all || initdb.shortMessage}\nFree some disk space, or set DATABASE_URL to a server of yours.`,
    );
  }
  renameSync(unfinished, place.data);
  return password;
}

async function ensureDatabase(adminUrl: string): Promise<void> {
  const { rowCount } = await query(adminUrl, 'select 1 from pg_database where datname = $1', [database]);
  if (rowCount === 0) await query(adminUrl, `create database ${database}`);
}
