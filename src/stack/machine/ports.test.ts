import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { choosablePorts, choosePorts } from './ports.js';

let folder: string;
let file: string;
let server: Server;
let taken: number;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'selkie-ports-'));
  file = join(folder, 'ports.json');
  server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  taken = typeof address === 'object' ? (address?.port ?? 0) : 0;
});
afterEach(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('choosePorts', () => {
  it('takes a free port where its own is taken, and keeps it the next time', async () => {
    writeFileSync(file, JSON.stringify({ temporal: taken, temporalUi: 1, postgres: 1, inference: 1 }));
    const first = await choosePorts(file, {}, {});
    expect(first.temporal).not.toBe(taken);
    // not one that the system may give to another process before we start
    expect(first.temporal).toBeLessThan(32_768);
    expect(new Set(Object.values(first)).size).toBe(4);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(first);
    expect(await choosePorts(file, {}, {})).toEqual(first);
  });

  it('refuses to take another than was asked for', async () => {
    await expect(choosePorts(file, {}, { postgres: taken })).rejects.toThrow(
      `port ${taken} for postgres is taken: end what listens there, or give another (SELKIE_PORT_POSTGRES).`,
    );
    await expect(choosePorts(file, { SELKIE_PORT_INFERENCE: String(taken) }, {})).rejects.toThrow('for inference');
  });

  it('says which variable holds no port', async () => {
    await expect(choosePorts(file, { SELKIE_PORT_TEMPORAL: 'seven' }, {})).rejects.toThrow(
      'SELKIE_PORT_TEMPORAL="seven" is no port',
    );
  });

  it('survives a broken file, and says which ports had to give way', async () => {
    writeFileSync(file, '{"temporal":');
    const { ports, instead } = await choosablePorts(file, {}, {});
    expect(Object.keys(ports)).toEqual(['temporal', 'temporalUi', 'postgres', 'inference']);
    expect(instead).not.toContain(ports.temporal);
    expect(readFileSync(file, 'utf8')).toBe('{"temporal":');
  });
});
