import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { postgresProblem, reasonOf } from './probe.js';

let server: Server | undefined;
const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server?.close();
});

async function serverThat(answers: (socket: Socket) => void): Promise<string> {
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    answers(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return `postgres://me:secret@127.0.0.1:${typeof address === 'object' ? address?.port : ''}/x`;
}

it('tells apart what is wrong, and never prints the password', async () => {
  expect(await postgresProblem('mysql://h/x')).toContain('no address of a Postgres');
  expect(await postgresProblem('postgres://me:secret@127.0.0.1:1/x')).toMatch(/^nothing listens there/);
  expect(await postgresProblem(await serverThat(() => undefined), 200)).toMatch(/^it does not answer in time/);
  const withoutTls = await serverThat((socket) => socket.on('data', () => socket.write('N')));
  expect(await postgresProblem(`${withoutTls}?sslmode=verify-full`)).toMatch(/^it has no TLS/);
});

it.each([
  ['28P01', 'password authentication failed for user "me"', 'it refuses the user or the password'],
  ['28000', 'no pg_hba.conf entry for host, no encryption', 'it wants TLS'],
  ['3D000', 'database "x" does not exist', 'it has no such database'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'self-signed certificate', 'its certificate is not trusted'],
  ['57P03', 'the database system is starting up', 'it is still starting'],
])('%s: %s', (code, message, reason) => {
  const text = reasonOf(Object.assign(new Error(message), { code }));
  expect(text).toContain(reason);
  expect(text).toContain(message);
});
