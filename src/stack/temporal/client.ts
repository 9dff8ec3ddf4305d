import { Client, Connection, isGrpcServiceError } from '@temporalio/client';
import { messageOf } from '../../lib/error-message.js';
import { payloadConverterPath } from '../../workers/compiled.js';
import { UnreachableError } from '../errors.js';
import { isLoopback, loopbackDirect } from '../machine/loopback.js';
import type { Endpoints } from '../state.js';
import { channelArgsOf, configuredTarget, ownTarget, withoutTemporal, type TemporalTarget } from './target.js';

const connectWithinMs = 5000;
const answerWithinMs = 10_000;

const grpc = { notFound: 5, permissionDenied: 7, unauthenticated: 16 } as const;

/**
 * A connection to a server that has the namespace. Close it.
 * @throws UnreachableError that states what is wrong
 */
export async function connectTemporal(target: TemporalTarget, withinMs = connectWithinMs): Promise<Connection> {
  const { address, namespace, options } = target;
  let connection: Connection;
  try {
    connection = await Connection.connect({
      ...options,
      address,
      connectTimeout: withinMs,
      channelArgs: channelArgsOf(target),
    });
  } catch (error) {
    throw new UnreachableError(whyNot(target, error));
  }
  try {
    await connection.withDeadline(Date.now() + answerWithinMs, () =>
      connection.workflowService.describeNamespace({ namespace }),
    );
    return connection;
  } catch (error) {
    await connection.close();
    throw new UnreachableError(whyNot(target, error));
  }
}

/** A client that reads and writes as the workers do. Close its connection. */
export async function connectClient(target: TemporalTarget): Promise<Client> {
  const connection = await connectTemporal(target);
  return new Client({ connection, namespace: target.namespace, dataConverter: { payloadConverterPath } });
}

/** Where a stack's Temporal is: its own, or that of its environment. */
export function targetOf(
  { temporalAddress, temporalNamespace, temporalUi }: TemporalEndpoints,
  env: NodeJS.ProcessEnv = process.env,
): TemporalTarget {
  if (temporalUi !== null) return ownTarget(temporalAddress);
  const named = { TEMPORAL_ADDRESS: temporalAddress, TEMPORAL_NAMESPACE: temporalNamespace };
  return configuredTarget({ ...env, ...named }) ?? ownTarget(temporalAddress);
}
export type TemporalEndpoints = Pick<Endpoints, 'temporalAddress' | 'temporalNamespace' | 'temporalUi'>;

/** A client of a stack's Temporal. Close its connection. */
export const clientOf = (endpoints: TemporalEndpoints, env?: NodeJS.ProcessEnv): Promise<Client> =>
  connectClient(targetOf(endpoints, env));

/** The environment of a process that works with a stack's Temporal. */
export function environmentOf(endpoints: TemporalEndpoints, env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  const { temporalAddress, temporalNamespace, temporalUi } = endpoints;
  return {
    ...(temporalUi === null ? loopbackDirect(env) : withoutTemporal(env)),
    TEMPORAL_ADDRESS: temporalAddress,
    TEMPORAL_NAMESPACE: temporalNamespace,
  };
}

/** One sentence about a server that does not let us in. */
function whyNot({ address, namespace, options }: TemporalTarget, error: unknown): string {
  const code: number | undefined = isGrpcServiceError(error) ? error.code : undefined;
  if (code === grpc.notFound) {
    return `Temporal at ${address} has no namespace "${namespace}": make it (temporal operator namespace create --namespace NAME), or set TEMPORAL_NAMESPACE to one that is there.`;
  }
  if (code === grpc.permissionDenied || code === grpc.unauthenticated) {
    return `Temporal at ${address} lets us not into the namespace "${namespace}" (${detailsOf(error)}): check TEMPORAL_API_KEY or the client certificate, and TEMPORAL_NAMESPACE.`;
  }
  return `Temporal at ${address} does not answer (${detailsOf(error)}): is it running?${tlsHint(options.tls)}${proxyHint(address)}`;
}

const detailsOf = (error: unknown): string =>
  isGrpcServiceError(error) && error.details !== '' ? error.details : messageOf(error);

/** A server that speaks no TLS, and one that wants it, look alike from outside: both do not answer. */
const tlsHint = (tls: TemporalTarget['options']['tls']): string =>
  tls === undefined || tls === null || tls === false
    ? ' If it wants TLS, set TEMPORAL_TLS=true.'
    : ' TLS is on, which an API key does too: for a server without it set TEMPORAL_TLS=false.';

function proxyHint(address: string): string {
  const proxy = ['grpc_proxy', 'https_proxy', 'http_proxy'].find((name) => process.env[name]);
  return proxy === undefined || isLoopback(address)
    ? ''
    : ` It is asked through ${proxy}; no_proxy makes an exception.`;
}
