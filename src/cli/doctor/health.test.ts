import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { afterEach, expect, it } from 'vitest';
import { checkHealth, warningsIn } from './health.js';

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function serverThat(status: number, body: string): Promise<string> {
  server = createServer((request, response) => {
    response.writeHead(request.url === '/health' ? status : 500);
    response.end(body);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/v1`;
}

it.each([
  [200, '', true, 'it answers'],
  [200, '<html>', true, 'it answers'],
  [404, '{"error": "no such path"}', true, 'it answers'],
  [503, '{"status": "stopped"}', false, 'it answers and is not well (503)'],
])('takes %d %s for %s', async (status, body, ok, detail) => {
  expect(await checkHealth(await serverThat(status, body))).toEqual({ ok, detail });
});

it('says what does not answer, and what is no address', async () => {
  expect(await checkHealth('http://127.0.0.1:1/v1')).toMatchObject({
    ok: false,
    detail: expect.stringContaining('it does not answer') as string,
  });
  expect(await checkHealth('here')).toMatchObject({ ok: false, detail: 'that is no address' });
});

it('passes on what makes a runner slow, whatever else it says', () => {
  const busy = { status: 'busy', takenByOthers: 1.8, threads: 2 };
  expect(warningsIn(JSON.stringify({ cores: busy, waiting: { rows: 3, oldestSeconds: 41.2 }, new: 1 }))).toEqual([
    '3 rows wait, the first for 41 s',
    'the cores are busy: others take 1.8, and it has 2 threads; end what else runs, or give it fewer (`up --threads`)',
  ]);
  expect(warningsIn(JSON.stringify({ cores: 'many', waiting: { rows: 0, oldestSeconds: 0 } }))).toEqual([]);
  expect(warningsIn('{"limits": ["one adapter at a time"]}')).toEqual(['one adapter at a time']);
  expect(warningsIn('7')).toEqual([]);
});
