import { appendFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { mediaTypes } from '../contract/index.js';
import { ArtifactStore } from './store.js';

let root: string;
let store: ArtifactStore;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'selkie-artifacts-'));
  store = new ArtifactStore(root);
});
afterEach(() => rm(root, { recursive: true }));

const dataset = { 'data.jsonl': '{"text":"Selkies shed their skins."}\n' };

describe('the artifact store', () => {
  it('gives fixed bytes a fixed address, the same as the runner does', async () => {
    const ref = await store.put(mediaTypes.dataset, dataset);
    expect(ref).toEqual({
      uri: 'artifact:sha256/ee2ac18ea28f9c1beeb63c7551801cc784d496f206d1eed4242bcca7083cda94',
      sha256: 'ee2ac18ea28f9c1beeb63c7551801cc784d496f206d1eed4242bcca7083cda94',
      bytes: 37,
      mediaType: 'application/x-ndjson',
    });
  });

  it('reads back what was put, whatever the order of the files', async () => {
    const ref = await store.put('test/plain', { 'b/deep.txt': 'two', 'a.txt': 'one' });
    expect(await store.put('test/plain', { 'a.txt': 'one', 'b/deep.txt': 'two' })).toEqual(ref);
    const artifact = await store.open(ref);
    expect(artifact.manifest.files.map(({ path }) => path)).toEqual(['a.txt', 'b/deep.txt']);
    expect(await artifact.text('b/deep.txt')).toBe('two');
    await expect(artifact.text('c.txt')).rejects.toThrow('has no file c.txt');
  });

  it('leaves one artifact and nothing else when twenty attempts publish at once', async () => {
    const refs = await Promise.all(Array.from({ length: 20 }, () => store.put(mediaTypes.dataset, dataset)));
    expect(new Set(refs.map(({ sha256 }) => sha256)).size).toBe(1);
    expect(await readdir(join(root, 'tmp'))).toEqual([]);
    await store.open(refs[0] ?? { sha256: '' });
  });

  it('is not misled by what a killed attempt left', async () => {
    const { sha256 } = await new ArtifactStore(join(root, 'elsewhere')).put(mediaTypes.dataset, dataset);
    await mkdir(join(root, 'tmp', 'killed'), { recursive: true });
    await mkdir(join(root, 'sha256'));
    await writeFile(join(root, 'tmp', 'killed', 'data.jsonl'), '{"text":"Sel');
    await expect(store.open({ sha256 })).rejects.toThrow(/is not in the store/);
    const ref = await store.put(mediaTypes.dataset, dataset);
    expect(await (await store.open(ref)).text('data.jsonl')).toBe(dataset['data.jsonl']);
  });

  it('finds bytes that changed, are missing, or a manifest that did', async () => {
    const corrupt = async (change: (folder: string) => Promise<void>) => {
      const ref = await store.put(mediaTypes.dataset, dataset);
      const { folder } = await store.open(ref);
      await change(folder);
      const error: unknown = await store.open(ref).catch((reason: unknown) => reason);
      // who publishes it again heals it
      await store.put(mediaTypes.dataset, dataset);
      await store.open(ref);
      return error;
    };
    expect(await corrupt((folder) => appendFile(join(folder, 'data.jsonl'), ' '))).toMatchObject({
      name: 'CorruptArtifact',
      message: expect.stringContaining('has 38 bytes') as string,
    });
    expect(await corrupt((folder) => rm(join(folder, 'data.jsonl')))).toMatchObject({
      name: 'CorruptArtifact',
      message: expect.stringContaining('is missing') as string,
    });
    expect(await corrupt((folder) => appendFile(join(folder, 'manifest.json'), ' '))).toMatchObject({
      name: 'CorruptArtifact',
      message: expect.stringContaining('sha256 of its address') as string,
    });
  });

  it.each(['../out', '/abs', 'a//b', 'manifest.json', '.hidden', 'a/../b', ''])('refuses the path %j', async (path) => {
    await expect(store.put('test/plain', { [path]: 'x' })).rejects.toThrow('cannot be the path');
  });
});
