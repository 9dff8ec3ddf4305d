import { describe, expect, it } from 'vitest';
import { Findings } from './findings.js';
import { tableRows } from './tables.js';

function read(text: string, file = 'kb.csv') {
  const findings = new Findings();
  const rows = tableRows(text, file, findings).map(({ value }) => value);
  return { rows, problems: findings.problems.map(({ where, what }) => `${where}: ${what}`) };
}
const row = { Context: 'A, b.', Question: 'Why?', Answer: 'so' };

describe('tableRows', () => {
  it.each([
    ['commas', 'Context,Question,Answer\n"A, b.",Why?,so\n'],
    ['semicolons, as Excel says', 'sep=;\r\nContext;Question;Answer\r\nA, b.;Why?;so\r\n'],
    ['tabs', 'Context\tQuestion\tAnswer\nA, b.\tWhy?\tso\n\n'],
  ])('reads cells between %s', (_, text) => {
    expect(read(text)).toEqual({ rows: [row], problems: [] });
  });

  it('takes a lone mark in TSV for a mark', () => {
    const { rows } = read('context\tquestion\tanswer\n"A\tWhy?\tso\nB\tHow?\tthus', 'kb.tsv');
    expect(rows).toEqual([
      { context: '"A', question: 'Why?', answer: 'so' },
      { context: 'B', question: 'How?', answer: 'thus' },
    ]);
  });

  it('says in one sentence what a table lacks', () => {
    expect(read('question,answer\n"Dogs?",No\nCats?,Yes\n').problems).toEqual([
      'kb.csv: has no column with the text of the documents (context, passage or text)',
    ]);
    expect(read('secret\nx\ny').problems).toHaveLength(1);
  });

  it('says which row is broken', () => {
    expect(read('text,question,answer\na,b,c\nd,"e,f').problems).toEqual([
      'kb.csv, row 2: opens a quotation mark and does not close it',
    ]);
    expect(read('text,question,answer\na,b,c\nd,e,f,g').problems).toEqual([
      'kb.csv, row 2: has more cells than the first line names columns',
    ]);
  });
});
