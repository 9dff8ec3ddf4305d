import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkCorpus } from '../../src/cli/commands/corpus.js';
import type { CorpusCheck } from '../../src/cli/corpus/text.js';
import { repoRoot } from '../../src/stack/layout.js';

// Public files as they are in the wild. They are next to the checkout and no part of the project.

const shared = join(repoRoot, '..', 'shared');
const qa = join(shared, 'data', 'qa');
const missing = !existsSync(qa);
if (missing)
  process.stderr.write(`SKIPPED: ${qa} is not there, so that public question-answering files are not read\n`);

const stops = ({ problems }: CorpusCheck) => problems.filter((one) => one.stops);

describe.skipIf(missing)('public files', () => {
  it.each([
    ['xquad.ar.json', 'ar', 238],
    ['xquad.de.json', 'de', 240],
    ['xquad.en.json', 'en', 240],
    ['xquad.tr.json', 'tr', 240],
    ['xquad.zh.json', 'zh', 240],
    ['cmrc_trial.json', 'zh', 256],
    ['seal-squad_val.json', 'en', 2067],
  ])('%s is read', async (file, language, documents) => {
    const check = await checkCorpus(join(qa, file));
    expect(stops(check)).toEqual([]);
    expect(check.documents).toBe(documents);
    expect(check.heldOut).toBeGreaterThan(documents / 8);
    expect(check.languages[0]?.language).toBe(language);
    expect(check.languages[0]?.documents).toBeGreaterThan(0.9 * documents);
    const left = check.leftOut.reduce((sum, { count }) => sum + count, 0);
    expect(check.questions + check.merged + left).toBeGreaterThanOrEqual(file === 'cmrc_trial.json' ? 1002 : 1190);
  });

  it('all of them are read as one folder', async () => {
    const check = await checkCorpus(qa);
    expect(stops(check)).toEqual([]);
    expect(check.documents).toBeGreaterThan(3000);
    expect(check.leftOut.map(({ where }) => where)).toContain('README.md');
  }, 60_000);
});

describe.skipIf(missing)('small inputs of public reports', () => {
  /** documents, questions, merged, things left out, and whether a round can run */
  const right: Record<string, [number, number, number, number, boolean]> = {
    'B01/zh-ja-th.jsonl': [3, 8, 0, 0, true],
    'B03/empty-qas.json': [1, 2, 0, 1, true],
    'B03/squad-v2.json': [1, 2, 0, 2, true],
    'B04/multi.json': [1, 2, 0, 0, true],
    'B05/hf-squad.jsonl': [1, 2, 0, 0, true],
    'B06/pell-bridge.json': [1, 2, 0, 0, true],
    'B07/haystack.json': [1, 2, 0, 0, true],
    'B09/docs-utf16.jsonl': [2, 4, 0, 0, true],
    'B10/faq.jsonl': [1, 2, 0, 0, true],
    'B11/symbols.jsonl': [1, 3, 0, 0, true],
    'B12/dup.json': [1, 2, 1, 0, true],
    'B14/invisible.jsonl': [1, 2, 0, 1, true],
    'B16/faq.csv': [0, 0, 0, 0, false],
    'B18/long.jsonl': [2, 4, 0, 2, true],
    'B21/nul.jsonl': [0, 0, 0, 0, false],
  };

  it.each(Object.entries(right))('%s', async (file, [documents, questions, merged, left, runs]) => {
    const check = await checkCorpus(join(shared, 'bugs', file));
    expect(check).toMatchObject({ documents, questions, merged });
    expect(check.leftOut.reduce((sum, { count }) => sum + count, 0)).toBe(left);
    expect(stops(check).length).toBe(runs ? 0 : 1);
  });

  it('names file and line of half a character', async () => {
    const check = await checkCorpus(join(shared, 'bugs', 'B21', 'nul.jsonl'));
    expect(stops(check)[0]?.where).toBe('nul.jsonl, line 1');
  });
});
