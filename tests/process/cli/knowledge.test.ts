import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { run } from '../../../src/cli/main.js';
import { migrate } from '../../../src/ledger/index.js';
import { startPostgres, type TestPostgres } from '../../support/postgres.js';

let postgres: TestPostgres;
let url: string;
let folder: string;
beforeAll(async () => {
  postgres = await startPostgres();
  url = await postgres.createDatabase('ledger');
  await migrate(url);
});
afterAll(() => postgres.stop());

let out: string;
let err: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'selkie-knowledge-')));
  vi.stubEnv('DATABASE_URL', url);
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += text.toString()), true));
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((err += text.toString()), true));
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  process.exitCode = undefined;
  rmSync(folder, { recursive: true });
});

async function selkie(...args: string[]): Promise<number> {
  [out, err] = ['', ''];
  process.exitCode = undefined;
  return run(args);
}
const put = (file: string, text: string): void => writeFileSync(join(folder, file), text);

it('keeps each snapshot, and shows what changed since the one before', async () => {
  put('bridge.md', '# Bridge\n\nIt opened in 1911.\n\n## Keeper\n\nAnn keeps it.');
  put('ferry.txt', 'The ferry leaves at six.');
  put('photo.png', 'x');
  expect(await selkie('init', 'handbook', folder)).toBe(0);
  expect(out).toContain(`knowledge base demo/handbook, version 1`);

  expect(await selkie('ingest', 'handbook', '--dry-run')).toBe(0);
  expect(out).toContain('demo/handbook: 2 files read, 3 passages');
  expect(out).toContain('left out 1 × is of a kind that is not read: photo.png');
  expect(out).toContain('Dry run: no snapshot is taken');
  expect(await selkie('snapshot', 'show', 'handbook')).toBe(4);

  expect(await selkie('ingest', 'handbook')).toBe(0);
  expect(out).toMatch(/there is no earlier snapshot: 3 new[^]*Snapshot 1 \([0-9a-f]{12}\) is taken\./);
  expect(await selkie('ingest', 'handbook')).toBe(0);
  expect(out).toMatch(/Nothing changed: snapshot 1/);

  put('bridge.md', '# Bridge\n\nIt opened in 1912.\n\n## Toll\n\nTwo coins.');
  expect(await selkie('ingest', 'handbook', '--json')).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    before: 1,
    snapshot: { number: 2, passages: 3 },
    difference: { new: ['bridge.md#toll'], changed: ['bridge.md'], gone: ['bridge.md#keeper'], unchanged: 1 },
  });

  expect(await selkie('snapshot', 'list', 'handbook', '--json')).toBe(0);
  expect(JSON.parse(out)).toMatchObject([{ number: 2 }, { number: 1 }]);
  expect(await selkie('snapshot', 'show', 'handbook', '1')).toBe(0);
  expect(out).toContain('bridge.md#keeper\nBridge › Keeper\n\nAnn keeps it.');
});

it('takes no snapshot of two documents of one title, and names both', async () => {
  put('a.md', '# Bridge\n\nx');
  put('b.md', '# Bridge\n\ny');
  await selkie('init', 'twins', folder);
  expect(await selkie('ingest', 'twins')).toBe(1);
  expect(out).toMatch(/problem {2}a\.md and b\.md have one title: Bridge\n[^]*No snapshot is taken\./);
  expect(await selkie('init', 'twins', folder, '--exclude', 'b.md')).toBe(0);
  expect(out).toContain('version 2');
  expect(await selkie('ingest', 'twins')).toBe(0);
});

it('says what to do about an empty folder', async () => {
  mkdirSync(join(folder, 'empty'));
  await selkie('init', 'empty', join(folder, 'empty'));
  expect(await selkie('ingest', 'empty')).toBe(1);
  expect(out).toMatch(/problem {2}no file holds a text that is read\n +add Markdown/);
});

it.each([
  [2, ['init', 'Not a name', '.']],
  [2, ['init', 'x', 'ftp://host/file']],
  [2, ['init', 'x', '.', '--max-tokens', '1']],
  [4, ['init', 'x', '/no/such/folder']],
  [4, ['ingest', 'absent']],
  [4, ['snapshot', 'list', 'absent']],
])('ends with %i when called with %j', async (code, args) => {
  expect(await selkie(...args)).toBe(code);
  expect(err).not.toBe('');
});
