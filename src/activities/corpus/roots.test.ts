import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findCorpus } from './roots.js';

let folder: string;
const at = (...parts: string[]): string => join(folder, ...parts);

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'selkie-roots-')));
  for (const name of ['kb/acme', 'kb/zenith', 'kb/.state', 'elsewhere']) await mkdir(at(name), { recursive: true });
  for (const name of ['kb/acme/a.json', 'kb/zenith/z.json', 'elsewhere/secret.json', 'kb/.state/postgres.password'])
    await writeFile(at(name), '[]');
  await symlink(at('elsewhere/secret.json'), at('kb/acme/link.json'));
  await symlink(at('kb/acme'), at('linked'));
  // as Kubernetes mounts a ConfigMap
  await symlink(at('kb/.state/postgres.password'), at('kb/mounted.json'));
});
afterAll(() => rm(folder, { recursive: true }));

describe('findCorpus', () => {
  it('finds a corpus by its path, and by its name under each root', async () => {
    const roots = [at('elsewhere'), at('kb')];
    for (const name of [at('kb/acme/a.json'), 'acme/a.json', './acme/../acme/a.json']) {
      expect((await findCorpus(name, roots, 'demo')).path).toBe(at('kb/acme/a.json'));
    }
    expect((await findCorpus(at('kb'), roots, 'demo')).path).toBe(at('kb'));
  });

  it('follows links, of roots and of paths', async () => {
    expect((await findCorpus('a.json', [at('linked')], 'demo')).path).toBe(at('kb/acme/a.json'));
    expect((await findCorpus(at('linked/a.json'), [at('kb')], 'demo')).path).toBe(at('kb/acme/a.json'));
    expect((await findCorpus('mounted.json', [at('kb')], 'demo')).path).toBe(at('kb/.state/postgres.password'));
  });

  it.each([
    ['an absolute path', () => at('elsewhere/secret.json')],
    ['a way out', () => '../elsewhere/secret.json'],
    ['a link out', () => 'acme/link.json'],
    ['a device', () => '/dev/zero'],
    ['a hidden file', () => '.state/postgres.password'],
    ['a hidden folder by its path', () => at('kb/.state')],
    ['a folder beside', () => `${at('kb')}-other`],
  ])('refuses %s', async (_, name) => {
    await expect(findCorpus(name(), [at('kb')], 'demo')).rejects.toMatchObject({
      type: 'InvalidCorpus',
      nonRetryable: true,
      message: expect.stringContaining('outside of the folders that rounds may read') as string,
    });
  });

  it('gives no tenant the documents of another', async () => {
    const roots = [at('kb/{tenant}')];
    expect((await findCorpus('a.json', roots, 'acme')).path).toBe(at('kb/acme/a.json'));
    for (const name of [at('kb/acme/a.json'), '../acme/a.json']) {
      await expect(findCorpus(name, roots, 'zenith')).rejects.toThrow(/outside/);
    }
    const { within } = await findCorpus('a.json', roots, 'acme');
    expect(within(at('kb/zenith/z.json'))).toBe(false);
  });

  it('says that nothing is there, and of a place outside not even that', async () => {
    await expect(findCorpus('none.json', [at('kb')], 'demo')).rejects.toThrow(/cannot read it \(ENOENT\)/);
    await expect(findCorpus(at('elsewhere/none.json'), [at('kb')], 'demo')).rejects.toThrow(/outside/);
  });
});
