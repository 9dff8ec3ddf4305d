import type { Client } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { existsSync } from 'node:fs';
import { connectClient, layoutOf, runningStack } from '../stack/index.js';
import { CliError, exitCodes } from './errors.js';

export interface Session {
  client: Client;
  address: string;
  close(): Promise<void>;
}

const connectTimeout = '5 seconds';
/** any of these says which server is meant */
const variables = ['TEMPORAL_ADDRESS', 'TEMPORAL_PROFILE', 'TEMPORAL_CONFIG_FILE'];

/**
 * A client of the server that Temporal's environment configuration names; where that says nothing, of the running stack.
 *
 * @throws CliError when none is named, or it does not answer
 */
export async function connect(): Promise<Session> {
  const { connectionOptions, namespace } = loadClientConnectConfig(localProfile());
  const { address, ...options } = connectionOptions;
  if (address === undefined) {
    throw new CliError(
      'no stack runs here: start it with `npm run up`, or name a server by TEMPORAL_ADDRESS.',
      exitCodes.unreachable,
    );
  }
  try {
    const client = await connectClient({ ...options, address, connectTimeout }, namespace);
    return { client, address, close: () => client.connection.close() };
  } catch (error) {
    throw new CliError(
      `Temporal at ${address} does not answer (${error instanceof Error ? error.message : String(error)}): is it running?`,
      exitCodes.unreachable,
    );
  }
}

function localProfile(): { configSource?: { path: string } } {
  if (variables.some((name) => process.env[name] !== undefined)) return {};
  const layout = layoutOf();
  return runningStack(layout) !== null && existsSync(layout.temporalConfig)
    ? { configSource: { path: layout.temporalConfig } }
    : {};
}

/** Runs `work` with a session and closes it. */
export async function withSession<T>(work: (session: Session) => Promise<T>): Promise<T> {
  const session = await connect();
  try {
    return await work(session);
  } finally {
    await session.close();
  }
}
