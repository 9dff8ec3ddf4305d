import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ArtifactStore, StoreUnavailable } from './index.js';

// root may write everywhere, so the file system's errors are mocked
const disk = vi.hoisted(() => ({ readCode: '', writeCode: '' }));
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const failing = (code: string): Error => Object.assign(new Error(`${code}: no`), { code });
  return {
    ...real,
    readFile: (...given: Parameters<typeof real.readFile>) =>
      disk.readCode === '' ? real.readFile(...given) : Promise.reject(failing(disk.readCode)),
    writeFile: (...given: Parameters<typeof real.writeFile>) =>
      disk.writeCode === '' ? real.writeFile(...given) : Promise.reject(failing(disk.writeCode)),
  };
});

let root: string;
let store: ArtifactStore;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'selkie-outage-'));
  store = new ArtifactStore(join(root, 'store'));
});
afterEach(() => {
  disk.readCode = '';
  disk.writeCode = '';
  return rm(root, { recursive: true });
});

const files = { 'a.txt': 'one' };

describe('a store whose disk fails', () => {
  it.each(['ENOSPC', 'EDQUOT', 'EROFS', 'EIO', 'EACCES'])(
    'on a write by %s is away, and takes it later',
    async (code) => {
      disk.writeCode = code;
      await expect(store.put('test/plain', files)).rejects.toMatchObject({
        name: 'StoreUnavailable',
        message: expect.stringContaining(store.root) as string,
      });
      disk.writeCode = '';
      await store.open(await store.put('test/plain', files));
    },
  );

  it.each(['ESTALE', 'EIO', 'ENOTCONN', 'EACCES'])(
    'on a read by %s is away, and nothing in it is thrown away',
    async (code) => {
      const ref = await store.put('test/plain', files);
      const artifact = await store.open(ref);
      disk.readCode = code;
      await expect(store.open(ref)).rejects.toBeInstanceOf(StoreUnavailable);
      await expect(store.put('test/plain', files)).rejects.toBeInstanceOf(StoreUnavailable);
      await expect(artifact.text('a.txt')).rejects.toBeInstanceOf(StoreUnavailable);
      disk.readCode = '';
      expect(await (await store.open(ref)).text('a.txt')).toBe('one');
    },
  );

  it('is away where its folder is empty: another disk is mounted there, or none', async () => {
    const ref = await store.put('test/plain', files);
    await rm(store.root, { recursive: true });
    await expect(store.open(ref)).rejects.toThrow(/is it mounted/);
  });
});
