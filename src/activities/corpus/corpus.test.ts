import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, realpath, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { knowledgeDomain } from '../../domains/knowledge/index.js';
import { bounds } from './files.js';
import { anywhere } from './roots.js';
import { expectUsable, readCorpus } from './index.js';

const sampleDir = fileURLToPath(new URL('../../../corpus/sample/knowledge', import.meta.url));
const room = { promptStyle: 'chat', maxTokens: 96, limit: 2048 } as const;

let folder: string;
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'selkie-corpus-')));
});
afterEach(() => rm(folder, { recursive: true }));

async function put(file: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(folder, file)), { recursive: true });
  await writeFile(join(folder, file), content);
}

const read = (path = folder, within = anywhere) =>
  readCorpus({ name: 'kb', path, within, sampleDir }, knowledgeDomain, room);
const titles = async (): Promise<string[]> => (await read()).usable.map(({ content }) => knowledgeDomain.label(content));

const document = (title: string, more: object = {}) => ({
  title,
  context: `All about ${title}.`,
  questions: ['What?', 'Who?'].map((question) => ({ question, answer: `${title} answer` })),
  ...more,
});

describe('readCorpus', () => {
  it('reads folders in folders, whatever the case of endings, and names what it skips', async () => {
    await put('b/two.JSON', JSON.stringify(document('Two'), null, 2));
    await put('a.ndjson', JSON.stringify(document('One')));
    await put('b/c/three.json.gz', gzipSync(JSON.stringify([document('Three')])));
    await put('d.CSV', 'title,context,question,answer\nFour,All about Four.,What?,x\nFour,All about Four.,Who?,y\n');
    await put('.DS_Store', 'x');
    await put('b/._two.JSON', 'x');
    await put('notes.md', '# Notes');
    await put('empty.json', '');
    await put('dataset_info.json', '{"features": {"context": {"dtype": "string"}}}');
    await symlink(folder, join(folder, 'b', 'loop'));
    const { usable, problems, leftOut } = await read();
    expect(usable.map(({ content }) => knowledgeDomain.label(content))).toEqual(['One', 'Three', 'Two', 'Four']);
    expect(problems).toEqual([]);
    expect(leftOut.map(({ where, why }) => `${where}: ${why}`)).toEqual([
      '.DS_Store: hidden file or folder',
      'b/._two.JSON: hidden file or folder',
      'b/loop: folder that was read already',
      'notes.md: does not end in .json, .jsonl, .ndjson, .csv, .tsv, .tab',
      'dataset_info.json: holds no text with questions',
      'empty.json: is empty',
    ]);
  });

  it('reads retention of any layout, with all their references', async () => {
    await put('kb.json', JSON.stringify([document('One')]));
    await put('Canaries.csv', 'question,answer\nIs it?,yes\n');
    await put('frozen.jsonl', '{"question": "Two?", "answers": ["two", "2"]}\n');
    const { corpus, usable } = await read();
    expect(usable).toHaveLength(1);
    expect(corpus.retention).toEqual({
      canary: [{ itemId: 'p1', content: { question: 'Is it?', answer: 'yes', otherAnswers: [] } }],
      frozen: [{ itemId: 'p1', content: { question: 'Two?', answer: 'two', otherAnswers: ['2'] } }],
    });
    await put('frozen.jsonl', '{"question": "Two?"}\n');
    expect((await read()).problems).toMatchObject([{ where: 'frozen.jsonl', what: 'is no question with an answer' }]);
  });

  it('takes the canaries of the sample where there are none', async () => {
    await put('kb.json', JSON.stringify([document('One')]));
    expect((await read()).corpus.retention.canary).toHaveLength(12);
  });

  it.skipIf(process.platform === 'win32')('refuses what is no file, at once', async () => {
    execFileSync('mkfifo', [join(folder, 'pipe.json')]);
    expect((await read(join(folder, 'pipe.json'))).problems[0]?.what).toBe('is neither a file nor a folder');
    expect((await read('/dev/zero')).problems[0]?.what).toBe('is neither a file nor a folder');
    await put('kb.json', JSON.stringify([document('One')]));
    expect((await read()).problems[0]).toMatchObject({ where: 'pipe.json', stops: true });
  });

  it('refuses a file that is too large before it reads it', async () => {
    await put('kb.json', '');
    await truncate(join(folder, 'kb.json'), bounds.fileBytes + 1);
    expect((await read()).problems).toMatchObject([{ where: 'kb.json', what: 'is larger than 256 MiB', stops: true }]);
  });

  it('reads no link that leads out of the roots', async () => {
    await put('kb/kb.json', JSON.stringify([document('One')]));
    await put('secret.json', JSON.stringify([document('Secret')]));
    await symlink(join(folder, 'secret.json'), join(folder, 'kb', 'link.json'));
    const { usable, problems } = await read(join(folder, 'kb'), (path) => path.startsWith(join(folder, 'kb')));
    expect(usable.map(({ content }) => knowledgeDomain.label(content))).toEqual(['One']);
    expect(problems).toMatchObject([{ where: 'link.json', what: expect.stringContaining('out of') as string }]);
  });

  it.each([
    ['a broken line', 'passwd.json', 'root:x:0:0:secret:/root\n'],
    ['a broken line among others', 'kb.jsonl', `${JSON.stringify(document('One'))}\nsecret\n`],
    ['a table of something else', 'kb.csv', 'secret,word\nsecret,word\n'],
    ['another encoding', 'kb.json', Buffer.from([...Buffer.from('"secret '), 0xe9])],
    ['half a character', 'kb.json', '["secret \\ud83d"]'],
    ['no documents', 'kb.json', '{"secret": {"secret": "word"}}'],
    ['a probe', 'canaries.json', '["secret"]'],
  ])('says nothing of what a file holds: %s', async (_, file, content) => {
    await put(file, content);
    const reading = await read();
    expect(() => expectUsable(reading)).toThrow(expect.objectContaining({ type: 'InvalidCorpus', nonRetryable: true }));
    expect(JSON.stringify([reading.problems, reading.leftOut])).not.toMatch(/secret|word/);
  });

  it('says before a round runs that it could train or report nothing', async () => {
    await put('kb.json', JSON.stringify([document('One', { part: 'heldOut' })]));
    expect((await read()).problems).toMatchObject([{ what: 'has no document to train on', stops: true }]);
    await put('kb.json', JSON.stringify([document('One', { questions: [{ question: 'What?', answer: 'x' }] })]));
    expect((await read()).problems).toMatchObject([{ what: expect.stringContaining('part B') as string, stops: true }]);
  });

  it('tells that nothing is held out, which stops no round', async () => {
    await put('kb.json', JSON.stringify([document('One'), document('Two')]));
    const reading = await read();
    expect(reading.problems).toMatchObject([
      { what: expect.stringContaining('holds nothing out') as string, stops: false },
    ]);
    expectUsable(reading);
  });

  it('leaves out one document that is too long, and trains on the others', async () => {
    await put('kb.json', JSON.stringify(['One', 'Two', 'Three'].map((title) => document(title))));
    await put('long.json', JSON.stringify(document('Long', { context: 'word '.repeat(5000) })));
    const { corpus, leftOut } = await read();
    expect(corpus.sources).toHaveLength(4);
    expect(await titles()).toEqual(['One', 'Two', 'Three']);
    expect(leftOut).toMatchObject([{ where: expect.stringContaining('Long') as string, count: 2 }]);
  });
});
