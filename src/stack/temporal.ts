import { Connection } from '@temporalio/client';
import { encodeSearchAttributeIndexedValueType as encodeType } from '@temporalio/common/lib/search-attributes.js';
import { msToTs } from '@temporalio/common/lib/time.js';
import { execa } from 'execa';
import { accessSync, constants, existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { searchAttributes, type SearchAttributeName } from '../contract/index.js';
import type { ChildSpec } from './child.js';
import { messageOf, StackError } from './errors.js';
import { venvOf, type Layout } from './layout.js';

export const namespace = 'default';
/** The development server keeps closed runs for a day; a campaign's history is worth more. */
const retentionDays = 365;
const connectTimeoutMs = 2000;
const answerTimeoutMs = 10_000;
const prepareTimeoutMs = 60_000;
/** printed once the server's own port is open */
const saysServing = /^(Temporal )?Server:\s/m;

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
    env,
    cwd: layout.home,
    logFile: join(layout.logs, 'temporal.log'),
    // its own word first: another server may have taken the port, and would answer
    isReady: async (log) => saysServing.test(log) && (await temporalAnswers(`127.0.0.1:${ports.temporal}`)),
    readyWithinMs: 60_000,
    stopSignal: 'SIGTERM',
    stopWithinMs: 10_000,
    advice: `If another version of Temporal wrote ${layout.temporalDb}, move that file away: a new one is made.`,
  };
}

/** Whether a server at `address` serves our namespace. */
export async function temporalAnswers(address: string): Promise<boolean> {
  try {
    const connection = await Connection.connect({ address, connectTimeout: connectTimeoutMs });
    try {
      await connection.withDeadline(Date.now() + answerTimeoutMs, () =>
        connection.workflowService.describeNamespace({ namespace }),
      );
      return true;
    } finally {
      await connection.close();
    }
  } catch {
    return false;
  }
}

/** Temporal's number of a type; 0 is none, which the server refuses. */
const typeNumber = (type: (typeof searchAttributes)[SearchAttributeName]) =>
  encodeType(type.toUpperCase() as Uppercase<typeof type>) ?? 0;

/**
 * Registers the search attributes that the namespace lacks (the server's own flag works on a new file only) and returns
 * their names.
 */
export async function registerSearchAttributes(connection: Connection): Promise<SearchAttributeName[]> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const names = Object.keys(searchAttributes) as SearchAttributeName[];
  const missing = names.filter((name) => !(name in customAttributes));
  if (missing.length > 0) {
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map((name) => [name, typeNumber(searchAttributes[name])])),
    });
  }
  return missing;
}

/** Search attributes and a retention that outlives a weekend. */
export async function prepareNamespace(address: string): Promise<void> {
  const connection = await Connection.connect({ address });
  try {
    await connection.withDeadline(Date.now() + prepareTimeoutMs, async () => {
      await registerSearchAttributes(connection);
      await connection.workflowService.updateNamespace({
        namespace,
        config: { workflowExecutionRetentionTtl: msToTs(`${retentionDays} days`) },
      });
    });
  } catch (error) {
    throw new StackError(`Temporal at ${address} could not be prepared: ${messageOf(error)}`);
  } finally {
    await connection.close();
  }
}

/** A profile for `temporal` and every SDK: `TEMPORAL_CONFIG_FILE=<home>/temporal.toml temporal workflow list`. */
export const writeTemporalConfig = (file: string, address: string): Promise<void> =>
  writeFile(file, `[profile.default]\naddress = "${address}"\nnamespace = "${namespace}"\n`);
