import { describe, expect, it } from 'vitest';
import { cutLimitsSchema, snapshotDigest } from '../contract/index.js';
import { snapshotDifference, unreadableBefore } from './difference.js';
import { problem } from './document.js';
import { readContent } from './read/index.js';
import { ingestFiles, type Ingest, type ReadFile } from './report.js';

const limits = cutLimitsSchema.parse({});

async function ingest(files: Record<string, string>): Promise<Ingest> {
  const read = await Promise.all(
    Object.entries(files).map(async ([path, text]): Promise<ReadFile> => {
      const kind = path.endsWith('.json') ? 'json' : 'markdown';
      return { path, kind, reading: await readContent({ kind, text }, path) };
    }),
  );
  return ingestFiles(read, limits);
}

describe('ingestFiles', () => {
  it('counts what a file gives, and goes on past one that gives nothing', async () => {
    const { files, passages, problems } = await ingest({ 'b.md': '# B\n\nTwo words.\n\n## C\n\nOne.', 'a.md': '' });
    expect(files).toEqual([
      {
        path: 'b.md',
        kind: 'markdown',
        outcome: 'read',
        documents: 1,
        passages: 2,
        words: 3,
        omitted: [],
        warnings: [],
      },
      {
        path: 'a.md',
        kind: 'markdown',
        outcome: 'leftOut',
        code: 'empty',
        what: 'is empty',
        fix: expect.any(String) as string,
      },
    ]);
    expect(passages.map(({ passageId }) => passageId)).toEqual(['b.md', 'b.md#c']);
    expect(problems).toEqual([]);
  });

  it('names both documents of one title', async () => {
    const { problems } = await ingest({ 'a/x.md': '# Über uns\n\nx', 'b/y.md': '# über uns\n\ny' });
    expect(problems).toMatchObject([{ code: 'sameTitle', what: 'a/x.md and b/y.md have one title: Über uns' }]);
  });

  it('names both documents of one id', async () => {
    const { problems } = await ingest({ 'kb.json': '[{"id": 1, "text": "A."}, {"id": 1, "text": "B."}]' });
    expect(problems).toMatchObject([
      { code: 'sameId', what: 'kb.json, document 1 and kb.json, document 2 have one id: kb.json#1' },
    ]);
  });

  it('takes the paragraphs of one article for documents of one title', async () => {
    const article = { title: 'Au', paragraphs: [{ context: 'One.' }, { context: 'Two.' }] };
    const { problems, passages } = await ingest({ 'kb.json': JSON.stringify({ data: [article] }) });
    expect(problems).toEqual([]);
    expect(passages.map(({ title }) => title)).toEqual(['Au', 'Au']);
  });

  it('states that nothing was read', () => {
    const reading = problem('binary', 'is no text', 'exclude it');
    expect(ingestFiles([{ path: 'x.bin', kind: null, reading }], limits).problems).toMatchObject([
      { code: 'nothingRead' },
    ]);
    expect(ingestFiles([], limits).problems).toMatchObject([{ code: 'nothingRead' }]);
  });
});

describe('a snapshot', () => {
  const passage = (passageId: string, text: string, title = 'T') => ({ passageId, path: 'a.md', title, text });

  it('has one digest, whatever the order', () => {
    const [a, b] = [passage('a', '1'), passage('b', '2')];
    expect(snapshotDigest([a, b])).toBe(snapshotDigest([b, a]));
    expect(snapshotDigest([a])).not.toBe(snapshotDigest([a, b]));
  });

  it('shows what is new, changed and gone', () => {
    const earlier = [passage('a', '1'), passage('b', '2'), passage('c', '3'), passage('d', '4')];
    const now = [passage('a', '1'), passage('b', 'other'), passage('c', '3', 'Other title'), passage('e', '5')];
    expect(snapshotDifference(earlier, now)).toEqual({ new: ['e'], changed: ['b', 'c'], gone: ['d'], unchanged: 1 });
  });

  it('is not taken while a file that it had cannot be read', () => {
    const fix = 'correct it';
    const leftOut = (path: string, code: 'damaged' | 'excluded') =>
      ({ path, kind: 'pdf', outcome: 'leftOut', code, what: `is ${code}`, fix }) as const;
    const before = [passage('a.md', '1')];
    expect(unreadableBefore([leftOut('a.md', 'damaged'), leftOut('b.md', 'damaged')], before)).toMatchObject([
      { code: 'unreadableBefore', what: 'a.md is in the latest snapshot, and now is damaged' },
    ]);
    expect(unreadableBefore([leftOut('a.md', 'excluded')], before)).toEqual([]);
  });
});
