import { mkdir, mkdtemp, realpath, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makePdf } from '../../../tests/support/made-files.js';
import { knowledgeBaseSchema } from '../../contract/index.js';
import { anywhere } from '../corpus/roots.js';
import { ingest, type Permissions } from './index.js';

let folder: string;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'selkie-ingest-')));
});
afterEach(() => rm(folder, { recursive: true }));

async function put(file: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(folder, file)), { recursive: true });
  await writeFile(join(folder, file), content);
}

const everything: Permissions = { within: anywhere, mayFetch: () => true };
const ingestSources = (sources: string[], more: object = {}, permissions = everything) =>
  ingest(knowledgeBaseSchema.parse({ sources, ...more }), permissions);
/** `path: outcome or why it is left out` */
const outcomesOf = ({ files }: Awaited<ReturnType<typeof ingest>>): string[] =>
  files.map((file) => `${file.path}: ${file.outcome === 'read' ? 'read' : file.code}`);

describe('a folder', () => {
  it('gives an outcome for each file, and goes on past one that gives nothing', async () => {
    await put('a.md', '# A\n\nText.');
    await put('b/scan.pdf', makePdf([[]]));
    await put('b/empty.txt', ' ');
    await put('b/latin.txt', Buffer.from('caf\u00e9', 'latin1'));
    await put('b/zero.txt', Buffer.from([0x61, 0xff, 0, 0, 0x62]));
    await put('b/photo.png', 'x');
    await put('.git/config', 'x');
    await put('large.txt', '');
    await truncate(join(folder, 'large.txt'), 33 * 1024 ** 2);
    await symlink(folder, join(folder, 'b', 'loop'));
    await symlink(join(folder, 'nothing'), join(folder, 'b', 'nowhere.md'));
    const found = await ingestSources([folder]);
    expect(outcomesOf(found)).toEqual([
      '.git: hidden',
      'a.md: read',
      'b/empty.txt: empty',
      'b/latin.txt: wrongEncoding',
      'b/loop: linkLoop',
      'b/nowhere.md: danglingLink',
      'b/photo.png: unsupported',
      'b/scan.pdf: noText',
      'b/zero.txt: binary',
      'large.txt: tooLarge',
    ]);
    expect(found.problems).toEqual([]);
    expect(found.passages).toEqual([{ passageId: 'a.md', path: 'a.md', title: 'A', text: 'Text.' }]);
  });

  it('reads what the globs include and do not exclude', async () => {
    for (const file of ['a.md', 'b.md', 'sub/c.md', 'sub/d.txt']) await put(file, `Text of ${file}.`);
    const globs = { include: ['**/*.md'], exclude: ['b.*'] };
    expect(outcomesOf(await ingestSources([folder], globs))).toEqual([
      'a.md: read',
      'b.md: excluded',
      'sub/c.md: read',
      'sub/d.txt: excluded',
    ]);
  });

  it('reads nothing outside of what may be read', async () => {
    await put('kb/a.md', 'Text.');
    await put('secret.md', 'Secret.');
    await symlink(join(folder, 'secret.md'), join(folder, 'kb', 'link.md'));
    const inside = { ...everything, within: (path: string) => path.startsWith(join(folder, 'kb')) };
    expect(outcomesOf(await ingestSources([join(folder, 'kb')], {}, inside))).toEqual([
      'a.md: read',
      'link.md: outside',
    ]);
    expect((await ingestSources([join(folder, 'secret.md')], {}, inside)).problems).toMatchObject([
      { code: 'noSource', what: `${join(folder, 'secret.md')} is outside of the folders that may be read` },
    ]);
  });

  it('refuses more files than the limit, before it reads one', async () => {
    await put('a.md', 'A.');
    await put('b.md', 'B.');
    expect((await ingestSources([folder], { maxFiles: 1 })).problems).toMatchObject([
      { code: 'tooManyFiles', what: 'there are 2 files to read, and the limit is 1' },
    ]);
  });

  it('names both files of one path in two folders', async () => {
    await put('one/a.md', '# One\n\nx');
    await put('two/a.md', '# Two\n\ny');
    const { problems } = await ingestSources([join(folder, 'one'), join(folder, 'two')]);
    expect(problems).toMatchObject([{ code: 'sameId', what: expect.stringContaining('a.md') as string }]);
  });

  it('stops where it is empty, or one of the sources is absent', async () => {
    expect((await ingestSources([folder])).problems).toMatchObject([{ code: 'nothingRead' }]);
    await put('a.md', 'Text.');
    expect((await ingestSources([folder, join(folder, 'absent')])).problems).toMatchObject([{ code: 'noSource' }]);
  });
});

describe('a page', () => {
  let server: Server;
  let origin: string;
  beforeAll(async () => {
    const pages: Record<string, [number, Record<string, string>, string]> = {
      '/guide': [200, { 'content-type': 'text/html; charset=utf-8' }, '<h1>Guide</h1><p>Hello.</p>'],
      '/moved': [302, { location: '/guide' }, ''],
      '/loop': [302, { location: '/loop' }, ''],
      '/away': [302, { location: 'http://secret.invalid/' }, ''],
      '/photo': [200, { 'content-type': 'image/png' }, 'x'],
      '/large.txt': [200, { 'content-type': 'text/plain' }, 'word '.repeat(1000)],
    };
    server = createServer((request, response) => {
      const [status, headers, body] = pages[request.url ?? ''] ?? [404, {}, ''];
      response.writeHead(status, headers).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => server.close());

  it('is read as its type states, after redirects', async () => {
    const { passages } = await ingestSources([`${origin}/moved`]);
    expect(passages).toMatchObject([{ path: `${new URL(origin).host}/moved`, title: 'Guide', text: 'Hello.' }]);
  });

  it.each([
    ['/none', 'unreachable'],
    ['/loop', 'unreachable'],
    ['/away', 'outside'],
    ['/photo', 'unsupported'],
    ['/large.txt', 'tooLarge'],
  ])('that gives nothing has an outcome: %s', async (path, code) => {
    const mayFetch = (url: URL): boolean => url.hostname === '127.0.0.1';
    const found = await ingestSources([origin + path], { maxFileBytes: 2000 }, { within: anywhere, mayFetch });
    expect(found.files).toMatchObject([{ outcome: 'leftOut', code }]);
  });
});
