import type { Client } from '@temporalio/client';
import {
  configuredTarget,
  connectClient,
  externalTarget,
  isSet,
  runningStack,
  targetOf,
  type StackState,
  type TemporalTarget,
} from '../stack/index.js';
import { CliError, exitCodes } from './errors.js';
import { say } from './output.js';

export interface Session {
  client: Client;
  address: string;
  /** the stack of this machine, where it is the one that is spoken to */
  stack: StackState | null;
  close(): Promise<void>;
}

/**
 * A client of the server that `TEMPORAL_ADDRESS` names; without it, of the running stack; where none runs, of the server in
 * Temporal's own configuration.
 *
 * @throws CliError when none is named
 * @throws StackError when it does not let us in
 */
export async function connect(): Promise<Session> {
  const { target, stack } = currentTarget();
  if (target === null) {
    throw new CliError(
      'no stack runs here: start it with `npm run up`, or name a server by TEMPORAL_ADDRESS.',
      exitCodes.unreachable,
    );
  }
  const client = await connectClient(target);
  return { client, address: target.address, stack, close: () => client.connection.close() };
}

/** Which server is meant, and the stack that it belongs to. */
export function currentTarget(): { target: TemporalTarget | null; stack: StackState | null } {
  const external = externalTarget(process.env);
  const stack = runningStack();
  if (external !== null) {
    return { target: external, stack: stack?.temporalAddress === external.address ? stack : null };
  }
  if (stack === null) return { target: configuredTarget(process.env), stack };
  if (isSet(process.env['TEMPORAL_PROFILE'])) {
    say('TEMPORAL_PROFILE is passed over for the stack that runs here; TEMPORAL_ADDRESS names another server.');
  }
  return { target: targetOf(stack), stack };
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
