import type { ConnectionOptions } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { messageOf } from '../../lib/error-message.js';
import { StackError } from '../errors.js';
import { isLoopback, loopbackDirect } from '../machine/loopback.js';

/** A namespace of a server, and how to get in. */
export interface TemporalTarget {
  address: string;
  namespace: string;
  options: Pick<ConnectionOptions, 'tls' | 'apiKey' | 'metadata'>;
}

/** The only namespace that the stack's own server needs. */
export const ownNamespace = 'default';

/** The stack's own server: no setting of another one applies to it. */
export const ownTarget = (address: string): TemporalTarget => ({ address, namespace: ownNamespace, options: {} });

/**
 * What Temporal's environment configuration names: variables above a profile of its file, as the workers read it.
 *
 * @returns null where it names no address
 * @throws StackError where it cannot be read
 */
export function configuredTarget(env: NodeJS.ProcessEnv): TemporalTarget | null {
  const overrideEnvVars = Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== ''),
  );
  try {
    const { connectionOptions, namespace = ownNamespace } = loadClientConnectConfig({ overrideEnvVars });
    const { address, tls, apiKey, metadata } = connectionOptions;
    if (address === undefined || address === '') return null;
    if (!isAddress(address)) throw new StackError(`"${address}" is no address, host:port`);
    return {
      address,
      namespace,
      options: {
        ...(tls === undefined ? {} : { tls }),
        ...(apiKey === undefined ? {} : { apiKey }),
        ...(metadata === undefined ? {} : { metadata }),
      },
    };
  } catch (error) {
    throw new StackError(`the settings for Temporal cannot be used: ${messageOf(error)}. See TEMPORAL_* and its file.`);
  }
}

/** As gRPC takes it: no scheme, no path. */
function isAddress(address: string): boolean {
  const match = /^(?:\[[^\]\s]+\]|[^\s:/[\]]+)(?::(\d+))?$/.exec(address);
  return match !== null && Number(match[1] ?? 0) <= 65_535;
}

/** The server of one's own that `TEMPORAL_ADDRESS` names; null without it, whatever else is set. */
export const externalTarget = (env: NodeJS.ProcessEnv): TemporalTarget | null =>
  isSet(env['TEMPORAL_ADDRESS']) ? configuredTarget(env) : null;

/** The environment of a process that works with the stack's own server and reads no other Temporal setting. */
export function ownEnvironment(env: NodeJS.ProcessEnv, address: string, configFile: string): NodeJS.ProcessEnv {
  return {
    ...withoutTemporal(env),
    TEMPORAL_ADDRESS: address,
    TEMPORAL_NAMESPACE: ownNamespace,
    TEMPORAL_CONFIG_FILE: configFile,
  };
}

/** The environment without Temporal's settings: a profile might ask for TLS, a key or another namespace. */
export const withoutTemporal = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(loopbackDirect(env)).filter(([name]) => !name.startsWith('TEMPORAL_')));

/** What gRPC needs as well: a proxy is for remote servers. */
export const channelArgsOf = ({ address }: TemporalTarget): NonNullable<ConnectionOptions['channelArgs']> =>
  isLoopback(address) ? { 'grpc.enable_http_proxy': 0 } : {};

export const isSet = (value: string | undefined): value is string => value !== undefined && value !== '';
