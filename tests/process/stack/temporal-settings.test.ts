import { execa } from 'execa';
import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { msToTs } from '@temporalio/common/lib/time.js';
import type { Client } from '@temporalio/client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { searchAttributes, taskQueues } from '../../../src/contract/index.js';
import {
  clientOf,
  isPolled,
  layoutOf,
  startStack,
  stopStack,
  type Stack,
  type StackOptions,
} from '../../../src/stack/index.js';
import { makeStackHome, removeStackHome } from '../../support/stack-home.js';

let homes: string[];
let stacks: Stack[];
beforeEach(() => {
  homes = [];
  stacks = [];
});
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const stack of stacks.reverse()) await stack.stop();
  for (const home of homes) {
    await stopStack(layoutOf(home));
    removeStackHome(home);
  }
});

async function start(options: StackOptions): Promise<Stack> {
  const home = await makeStackHome();
  homes.push(home);
  const stack = await startStack({ home, ...options });
  stacks.push(stack);
  return stack;
}

async function retentionDays(client: Client, namespace: string): Promise<number> {
  const { config } = await client.workflowService.describeNamespace({ namespace });
  return Number(config?.workflowExecutionRetentionTtl?.seconds) / 86_400;
}

const isServed = (client: Client): Promise<boolean> =>
  isPolled(client, client.options.namespace, taskQueues.workflow, 'workflow');

describe('a server of the stack’s own', () => {
  it('is reached directly, and hears of no other, whatever is exported', async () => {
    const nowhere = 'http://127.0.0.1:9';
    for (const name of ['http_proxy', 'https_proxy', 'grpc_proxy', 'all_proxy']) {
      vi.stubEnv(name, nowhere);
      vi.stubEnv(name.toUpperCase(), nowhere);
    }
    vi.stubEnv('TEMPORAL_NAMESPACE', 'acme.x');
    vi.stubEnv('TEMPORAL_API_KEY', 'key');
    vi.stubEnv('TEMPORAL_TLS', 'true');
    vi.stubEnv('TEMPORAL_PROFILE', 'none-such');
    const stack = await start({ parts: ['temporal', 'postgres', 'worker'] });
    const client = await clientOf(stack);
    await vi.waitUntil(() => isServed(client), { timeout: 30_000 });
    expect(await retentionDays(client, 'default')).toBe(365);
    await client.connection.close();
  });
});

describe('a server of somebody else', () => {
  const namespace = 'shared';
  let address: string;
  let owner: Client;
  beforeEach(async () => {
    const theirs = await start({ parts: ['temporal'] });
    address = theirs.temporalAddress;
    owner = await clientOf(theirs);
    for (const name of [namespace, 'default']) {
      const config = { workflowExecutionRetentionTtl: msToTs('3 days') };
      if (name === 'default') await owner.workflowService.updateNamespace({ namespace: name, config });
      else
        await owner.workflowService.registerNamespace({
          namespace: name,
          ...config,
          workflowExecutionRetentionPeriod: msToTs('3 days'),
        });
    }
    // namespaces are cached by the server for a moment
    await vi.waitUntil(
      () =>
        owner.workflowService.describeNamespace({ namespace }).then(
          () => true,
          () => false,
        ),
      { timeout: 30_000, interval: 200 },
    );
  });
  afterEach(() => owner.connection.close());

  it('gets the search attributes in the namespace that is named, and keeps its retention', async () => {
    const env = { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace };
    const stack = await start({ parts: ['postgres', 'worker'], env });
    expect(stack).toMatchObject({ temporalAddress: address, temporalNamespace: namespace, temporalUi: null });
    expect(await retentionDays(owner, namespace)).toBe(3);
    expect(await retentionDays(owner, 'default')).toBe(3);
    const { customAttributes } = await owner.connection.operatorService.listSearchAttributes({ namespace });
    expect(Object.keys(customAttributes)).toEqual(expect.arrayContaining(Object.keys(searchAttributes)));
    const client = await clientOf(stack);
    expect(client.options.namespace).toBe(namespace);
    await vi.waitUntil(() => isServed(client), { timeout: 30_000 });
    await client.connection.close();
  });

  it('is asked for a namespace that it has', async () => {
    const env = { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: 'nowhere' };
    await expect(start({ parts: [], env })).rejects.toThrow(
      `Temporal at ${address} has no namespace "nowhere": make it`,
    );
  });

  it('may speak TLS', async () => {
    const tls = await tlsBefore(address, homes[0] ?? '');
    try {
      const plain = { TEMPORAL_ADDRESS: tls.address, TEMPORAL_NAMESPACE: namespace };
      await expect(start({ parts: [], env: plain })).rejects.toThrow('If it wants TLS, set TEMPORAL_TLS=true.');
      const env = { ...plain, TEMPORAL_TLS: 'true', TEMPORAL_TLS_SERVER_CA_CERT_PATH: tls.certificate };
      const stack = await start({ parts: ['postgres', 'worker'], env });
      const client = await clientOf(stack, env);
      await vi.waitUntil(() => isServed(client), { timeout: 30_000 });
      await client.connection.close();
      const mistaken = { ...env, TEMPORAL_ADDRESS: address };
      await expect(start({ parts: [], env: mistaken })).rejects.toThrow('set TEMPORAL_TLS=false');
    } finally {
      tls.stop();
    }
  });
});

/** A TLS proxy with its own certificate in front of a server. */
async function tlsBefore(address: string, folder: string) {
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  await execa('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'],
    ...[
      '-addext',
      'subjectAltName=DNS:localhost,IP:127.0.0.1',
      '-addext',
      'basicConstraints=critical,CA:FALSE',
      '-keyout',
      key,
      '-out',
      certificate,
    ],
  ]);
  const [host, port] = address.split(':');
  const sockets = new Set<Socket>();
  const server: Server = createServer(
    { key: readFileSync(key), cert: readFileSync(certificate), ALPNProtocols: ['h2'] },
    (inside) => {
      const outside = connect(Number(port), host);
      for (const socket of [inside, outside]) {
        sockets.add(socket);
        socket.on('error', () => socket.destroy());
      }
      inside.pipe(outside).pipe(inside);
    },
  ).listen(0, '127.0.0.1');
  server.on('tlsClientError', () => undefined);
  await once(server, 'listening');
  const listening = server.address();
  return {
    address: `localhost:${typeof listening === 'object' ? listening?.port : ''}`,
    certificate,
    stop: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
