import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseReferenceRank, renderRows } from './reference-rank.js';
import { select } from './select.js';

const folder = [process.env['SELKIE_SHARED'], '../shared', '../../shared']
  .flatMap((root) => (root === undefined ? [] : [`${root}/data/seal`]))
  .find((path) => existsSync(`${path}/rank_iter0.json`));

const small = {
  articles: [
    {
      title: 'Seals',
      prompt: 'Read “this”\n',
      completions: [
        { text: '  ', stats: { adapter_mean: 0.9, gain_mean: 0.9 } },
        { text: ' low\n', stats: { adapter_mean: 0.2, gain_mean: -0.1 } },
        { text: 'high', stats: { adapter_mean: 0.4, gain_mean: -0.2 } },
      ],
    },
  ],
};

function rankOf(raw: unknown) {
  const parsed = parseReferenceRank(raw);
  if (!parsed.ok) throw new Error(parsed.problems.join('\n'));
  return parsed.value;
}

describe('parseReferenceRank', () => {
  it('ranks by accuracy for `reference`, by gain for `gain`, and never takes an empty edit', () => {
    const rank = rankOf(small);
    const selection = select(rank.records('reference'), { rule: 'reference', minimum: 0, maxCanariesLost: 1 });
    expect(renderRows(rank, selection)).toBe('{"prompt": "Read “this”\\n", "completion": "high"}\n');
    expect(select(rank.records('gain'), { rule: 'gain', minimum: 0, maxCanariesLost: 1 }).chosen).toEqual([]);
    expect(select(rank.records('gain'), { rule: 'gain', minimum: -1, maxCanariesLost: 1 }).chosen[0]?.reward).toBe(
      -0.1,
    );
  });

  it('says what is wrong with a file of another kind', () => {
    expect(parseReferenceRank([])).toMatchObject({ ok: false });
    expect(parseReferenceRank({ articles: [{ title: 1 }] })).toMatchObject({
      ok: false,
      problems: expect.arrayContaining([expect.stringContaining('articles.0.title')]) as string[],
    });
  });

  it.skipIf(folder === undefined)("reproduces SEAL's own selection byte for byte", () => {
    const rank = rankOf(JSON.parse(readFileSync(`${folder}/rank_iter0.json`, 'utf8')));
    const selection = select(rank.records('reference'), { rule: 'reference', minimum: 0, maxCanariesLost: 1 });
    expect(selection.chosen).toHaveLength(50);
    expect(renderRows(rank, selection)).toBe(readFileSync(`${folder}/sft_best1of5_iter0.jsonl`, 'utf8'));
    // what SEAL trains on although nothing tells it from its siblings, or although it did not help
    expect(selection.ties).toBe(22);
    expect(select(rank.records('gain'), { rule: 'gain', minimum: 0, maxCanariesLost: 1 }).without).toHaveLength(10);
  });

  if (folder === undefined) {
    console.warn("skipped: SEAL's own selection (rank_iter0.json not found; set SELKIE_SHARED to the shared folder)");
  }
});
