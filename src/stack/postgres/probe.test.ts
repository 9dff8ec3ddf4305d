import { createServer, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { afterEach, expect, it } from 'vitest';
import { postgresProblem } from './probe.js';

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
  expect(await postgresProblem('postgres://me:secret@127.0.0.1:1/x')).toMatch(
    /^it does not answer, nothing listens there/,
  );
  expect(await postgresProblem(await serverThat(() => undefined), 200)).toMatch(/^it does not answer in time/);
  const withoutTls = await serverThat((socket) => socket.on('data', () => socket.write('N')));
  expect(await postgresProblem(`${withoutTls}?sslmode=verify-full`)).toMatch(/^it does not speak TLS/);
});
