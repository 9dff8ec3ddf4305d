import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { run } from '../main.js';

const document = (title: string, n: number) => ({
  title,
  context: `${title} ist ein Dorf am Fluss mit ${n} Häusern und einer alten Brücke.`,
  questions: [
    { question: 'Wie viele Häuser?', answer: String(n) },
    { question: 'Wie alt ist die Brücke?', answer: 'alt' },
  ],
});

let folder: string;
let output: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'selkie-check-'));
  output = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    output += String(text);
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockReturnValue(true);
});
afterEach(async () => {
  vi.restoreAllMocks();
  process.exitCode = undefined;
  await rm(folder, { recursive: true });
});

async function check(content: unknown, ...more: string[]): Promise<number> {
  const file = join(folder, 'kb.json');
  await writeFile(file, JSON.stringify(content));
  return run(['corpus', 'check', file, ...more]);
}

describe('selkie corpus check', () => {
  it('prints what a round would use, and ends with 0 where one could run', async () => {
    const documents = ['Au', 'Bach', 'Celle', 'Dorn'].map(document);
    expect(await check([...documents, { title: 'Empty', context: 'x', questions: [] }], '--json')).toBe(0);
    expect(JSON.parse(output)).toEqual({
      documents: 4,
      questions: 8,
      heldOut: 1,
      merged: 0,
      leftOut: [{ where: 'kb.json, document 5', why: 'document without a question that can be used', count: 1 }],
      problems: [],
      languages: [{ language: 'de', documents: 4 }],
      longest: { document: 'Celle', tokens: expect.any(Number) as number, limit: 2048 },
    });
  });

  it('says the same to people', async () => {
    expect(await check([document('Au', 1), { title: 'Empty', context: 'x', questions: [] }])).toBe(0);
    expect(output).toMatch(/documents {2}1, 0 of them held out/);
    expect(output).toMatch(/left out 1 × document without a question that can be used\n +kb\.json, document 2/);
    expect(output).toMatch(/note +.*holds nothing out/);
    expect(output).toMatch(/A round can run on it\.\n$/);
  });

  it('ends with 1 where no round can run', async () => {
    expect(await check([])).toBe(1);
    expect(output).toMatch(/problem .*holds no document[^]*No round can run on it\.\n$/);
  });

  it('takes the limit of another model', async () => {
    expect(await check([document('Au', 1)], '--limit', '100', '--json')).toBe(1);
    expect(JSON.parse(output)).toMatchObject({ documents: 0, longest: { document: 'Au', limit: 100 } });
  });

  it('reads the sample by its name', async () => {
    expect(await run(['corpus', 'check', 'sample', '--json'])).toBe(0);
    expect(JSON.parse(output)).toMatchObject({ documents: 28, questions: 168, heldOut: 8, problems: [], leftOut: [] });
  });

  it('reads what the README shows', async () => {
    const readme = await readFile(new URL('../../../README.md', import.meta.url), 'utf8');
    const file = join(folder, 'handbook.jsonl');
    await writeFile(file, /handbook\.jsonl`[^]*?```json\n([^]*?)```/.exec(readme)?.[1] ?? '');
    expect(await run(['corpus', 'check', file, '--json'])).toBe(0);
    expect(JSON.parse(output)).toMatchObject({ documents: 2, questions: 4, heldOut: 1, problems: [], leftOut: [] });
  });

  it.each([
    [2, []],
    [2, ['']],
    [2, ['x', '--limit', 'many']],
    [4, ['no/such/file']],
  ])('ends with %i when called with %j', async (code, args) => {
    expect(await run(['corpus', 'check', ...args])).toBe(code);
  });
});
