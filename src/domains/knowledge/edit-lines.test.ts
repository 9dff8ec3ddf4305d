import { describe, expect, it } from 'vitest';
import { readStatements } from './edit-lines.js';

describe('readStatements', () => {
  it('takes off numbers, bullets, labels and markdown, and leaves figures alone', () => {
    const text = [
      'Sure, here are some implications!',
      'Implications of the text:',
      '1. The inn is old.',
      '2) It has **twelve** rooms.',
      '- Eel pie is known widely.',
      '•  3.40 pounds buy a `lunch`.',
      'Rewrite 2: Greta opened it.',
      'E. coli is not served.',
      '---',
      '',
      'Short.',
    ].join('\r\n');
    expect(readStatements(text).found).toEqual([
      'The inn is old.',
      'It has twelve rooms.',
      'Eel pie is known widely.',
      '3.40 pounds buy a lunch.',
      'Greta opened it.',
      'E. coli is not served.',
    ]);
  });

  it('drops a last line that was cut off, but not where no line has a full stop', () => {
    expect(readStatements('The inn is old.\nIt has twelve rooms.\nIt is known for').found).toHaveLength(2);
    expect(readStatements('the inn is old\nit has twelve rooms').found).toHaveLength(2);
    expect(readStatements('the inn is old').found).toHaveLength(1);
  });

  it('takes a repeated line once', () => {
    expect(readStatements('The inn is old.\nthe inn is old.\n1. The inn is old.').found).toHaveLength(1);
  });

  it('says why nothing could be used', () => {
    expect(readStatements(' \n ')).toEqual({ found: [], lost: 'the completion is empty' });
    expect(readStatements('Facts:\nyes').lost).toBe(
      'no line of 2 could be used: each is a heading or shorter than three words',
    );
  });

  it.each([
    [
      '1．青石图书馆由林小雨设计。\n二、馆内藏有三十二万册图书。',
      ['青石图书馆由林小雨设计。', '馆内藏有三十二万册图书。'],
    ],
    ['・灯台は潮見岬に立つ。\n・光は四十キロ先まで届く', ['灯台は潮見岬に立つ。']],
    ['๑. ตลาดน้ำเปิดทุกวันเสาร์\n๒. มีเรือกว่าสองร้อยลำ', ['ตลาดน้ำเปิดทุกวันเสาร์', 'มีเรือกว่าสองร้อยลำ']],
    ['١. تأسست المكتبة عام 1987.\n٢. صممها عمر ناصري.', ['تأسست المكتبة عام 1987.', 'صممها عمر ناصري.']],
    ['여관은 오래되었다.\n방이 열두 개 있다.', ['여관은 오래되었다.', '방이 열두 개 있다.']],
    ['以下是一些事实：\n图书馆每周三闭馆。', ['图书馆每周三闭馆。']],
  ])('reads lines of other scripts: %j', (text, found) => {
    expect(readStatements(text).found).toEqual(found);
  });

  const statements = ['The inn is old.', 'It has "twelve" rooms, and a bar.'];

  it.each([
    ['a JSON list', JSON.stringify(statements)],
    ['a JSON list over several lines', JSON.stringify(statements, null, 2)],
    ['a fenced JSON list', `Here it is:\n\`\`\`json\n${JSON.stringify(statements, null, 2)}\n\`\`\`\nI hope it helps!`],
    ['JSON objects', JSON.stringify({ implications: statements.map((implication, n) => ({ n, implication })) })],
    ['lines of JSON', statements.map((fact) => JSON.stringify({ fact })).join('\n')],
    ['a list that was cut off', `${JSON.stringify(statements).slice(0, -1)}, "It is known for its e`],
    ['entries without brackets', '"The inn is old.",\n\'It has "twelve" rooms, and a bar.\''],
    ['entries with quotes in them', '"The inn is old.",\n"It has \\"twelve\\" rooms, and a bar."'],
    ['a fence', `\`\`\`\n${statements.join('\n')}\n\`\`\``],
    ['a table', `| # | Fact |\n|---|:---|\n${statements.map((fact, i) => `| ${i + 1} | ${fact} |`).join('\n')}`],
    ['a list of HTML', `<ul>\n${statements.map((fact) => `<li>${fact}</li>`).join('\n')}\n</ul>`],
  ])('reads %s', (_, text) => {
    expect(readStatements(text).found).toEqual(statements);
  });

  it('puts the cells of a row together', () => {
    expect(readStatements('Name | Year\n--- | ---\nGreta Molle | opened it in 1931').found).toEqual([
      'Greta Molle: opened it in 1931',
    ]);
  });

  it('leaves brackets and quotes of a sentence alone', () => {
    const text = '[The inn] is old.\n"Old" and "new" are one to her.';
    expect(readStatements(text).found).toEqual(text.split('\n'));
  });
});
