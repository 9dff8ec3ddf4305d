import { execa } from 'execa';
import { accessSync, constants, existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { searchAttributes } from '../../contract/index.js';
import type { ChildSpec } from '../processes/child.js';
import { StackError } from '../errors.js';
import { venvOf, type Layout } from '../layout.js';
import { connectTemporal } from './client.js';
import { ownNamespace, ownTarget, withoutTemporal } from './target.js';

const connectWithinMs = 2000;
/** printed once the server's own port is open */
const saysServing = /^(Temporal )?Server:\s/m;

/** The server's words for a database file that another version or another program wrote. */
const schemaError = /schema version|no such (table|column)|file is not a database|database disk image is malformed/i;

const isExecutable = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK);
    return existsSync(file);
  } catch {
    return false;
  }
};

/** The Temporal CLI, which holds the development server: `TEMPORAL_CLI_PATH`, then the PATH, then the Python environment. */
export function findTemporal(env: NodeJS.ProcessEnv): string {
  const given = env['TEMPORAL_CLI_PATH'];
  if (given !== undefined) {
    if (isExecutable(given)) return given;
    throw new StackError(`TEMPORAL_CLI_PATH=${given} is no program that can be run.`);
  }
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const found = [...folders, join(venvOf(env), 'bin')].map((folder) => join(folder, 'temporal')).find(isExecutable);
  if (found !== undefined) return found;
  throw new StackError(
    'the Temporal CLI was not found: run `npm run up`, which installs it, or set TEMPORAL_CLI_PATH, or point TEMPORAL_ADDRESS at a server.',
  );
}

export const temporalVersion = async (file: string): Promise<string> => (await execa(file, ['--version'])).stdout;

/** The development server on files, with fair queues and a write-ahead log (3.4 times the throughput of the default). */
export function temporalSpec(
  layout: Layout,
  ports: { temporal: number; temporalUi: number },
  env: NodeJS.ProcessEnv,
): ChildSpec {
  const flags = {
    '--sqlite-pragma': ['journal_mode=WAL', 'synchronous=NORMAL'],
    '--dynamic-config-value': [
      'matching.useNewMatcher=true',
      'matching.enableFairness=true',
      // activities are asked for by workflows alone; started by themselves they would be refused, one by one
      'activity.enableStandalone=false',
    ],
    '--search-attribute': Object.entries(searchAttributes).map(([name, type]) => `${name}=${type}`),
  };
  return {
    name: 'temporal',
    command: findTemporal(env),
    args: [
      ...['server', 'start-dev', '--ip', '127.0.0.1', '--log-level', 'warn', '--ui-disable-news-fetch'],
      ...['--db-filename', layout.temporalDb],
      ...['--port', String(ports.temporal), '--ui-port', String(ports.temporalUi)],
      ...Object.entries(flags).flatMap(([flag, values]) => values.flatMap((value) => [flag, value])),
    ],
    env: withoutTemporal(env),
    cwd: layout.home,
    logFile: join(layout.logs, 'temporal.log'),
    // its own word first: another server may have taken the port, and would answer
    isReady: async (log) => saysServing.test(log) && (await answers(`127.0.0.1:${ports.temporal}`)),
    readyWithinMs: 60_000,
    stopSignal: 'SIGTERM',
    stopWithinMs: 10_000,
    advise: (log) => adviceFor(log, layout),
  };
}

/** Only what the log shows is advised: the database holds every round under way. */
function adviceFor(log: string, { temporalDb }: Layout): string {
  return schemaError.test(log)
    ? `This version of Temporal cannot read ${temporalDb}. Go back to the version that wrote it, or keep the file elsewhere and begin without its rounds.`
    : 'TEMPORAL_ADDRESS makes Selkie use a server of yours instead.';
}

async function answers(address: string): Promise<boolean> {
  return connectTemporal(ownTarget(address), connectWithinMs).then(
    async (connection) => {
      await connection.close();
      return true;
    },
    () => false,
  );
}

/** A profile for `temporal` and every SDK: `TEMPORAL_CONFIG_FILE=<home>/temporal.toml temporal workflow list`. */
export const writeTemporalConfig = (file: string, address: string): Promise<void> =>
  writeFile(file, `[profile.default]\naddress = "${address}"\nnamespace = "${ownNamespace}"\n`);
