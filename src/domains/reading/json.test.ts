import { describe, expect, it } from 'vitest';
import { Findings } from './findings.js';
import { jsonValues } from './json.js';

function read(text: string) {
  const findings = new Findings();
  const values = jsonValues(text, 'kb.json', findings).map(({ value }) => value);
  return { values, problems: findings.problems.map(({ where, what }) => `${where}: ${what}`) };
}

describe('jsonValues', () => {
  it.each([
    ['one value', '{"a": 1}', [{ a: 1 }]],
    ['a value over lines', '{\n  "a": 1\n}', [{ a: 1 }]],
    ['a value a line', '{"a": 1}\r\n\r\n{"a": 2}\r', [{ a: 1 }, { a: 2 }]],
    ['values over lines', '{\n  "a": 1\n}\r\n{\n  "a": [\n2\n]}\n', [{ a: 1 }, { a: [2] }]],
    ['marks inside of joined files', '{"a": 1}\n\ufeff{"a": 2}', [{ a: 1 }, { a: 2 }]],
    ['what Python prints', "{'a': 1}\n{'a': \"it's\"}", [{ a: 1 }, { a: "it's" }]],
    ['commas and comments too many', '{"a": [1, 2,], // two\n}', [{ a: [1, 2] }]],
    ['whole characters', '{"a": "\\ud83d\\ude00 \\\\ud83d"}', [{ a: '😀 \\ud83d' }]],
  ])('reads %s', (_, text, values) => {
    expect(read(text)).toEqual({ values, problems: [] });
  });

  it.each([
    ['{"a": 1}\n{"a": tru\n{"a": 3}', ['kb.json, line 2: is not JSON']],
    ['{\n "a": 1,\n "b": root:x:0:0\n}', ['kb.json, line 3: is not JSON from here on']],
    ['root:x:0:0:secret', ['kb.json, line 1: is not JSON from here on']],
    ['{"a": "ok"}\n{"a": "\\ud83d"}\n', ['kb.json, line 2: has half a character (an unpaired \\ud800 to \\udfff)']],
    [
      '{\r\n"a": "\\ud83d x",\r\n"b": "\\ude00"}',
      [2, 3].map((line) => `kb.json, line ${line}: has half a character (an unpaired \\ud800 to \\udfff)`),
    ],
  ])('says where %j is wrong, and not what stands there', (text, problems) => {
    expect(read(text).problems).toEqual(problems);
  });

  it('lists some lines of many', () => {
    const bad = '{"a": \n'.repeat(30);
    const { values, problems } = read(`{"a": 1}\n${'{"a": 1}\n'.repeat(30)}${bad}`);
    expect(values).toHaveLength(31);
    expect(problems).toHaveLength(21);
    expect(problems.at(-1)).toBe('kb.json: has 10 more lines that are not JSON');
  });
});
