import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { safeJson, safeLines, safeText } from './safe-text.js';

// eslint-disable-next-line no-control-regex -- what a terminal obeys
const obeyed = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069]/;

describe('safeText', () => {
  it('shows escape sequences, line breaks and what is invisible by their numbers', () => {
    expect(safeText('\u001b[31mred\u001b[0m')).toBe('\\u{1b}[31mred\\u{1b}[0m');
    expect(safeText('a\u009b2Jb\r\nc')).toBe('a\\u{9b}2Jb\\u{d}\\u{a}c');
    expect(safeText('ro\u200bot \u202egnp\ufe0f\u{e0041}\ud83d')).toBe(
      'ro\\u{200b}ot \\u{202e}gnp\\u{fe0f}\\u{e0041}\\u{d83d}',
    );
  });

  it('leaves every script alone', () => {
    for (const text of ['Zoë Ångström', '山田 太郎', 'محمد', 'เจ้า', '🦭 seal', 'a\u00a0b'])
      expect(safeText(text)).toBe(text);
  });

  it('lets nothing through that a terminal obeys', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (text) => {
        expect(safeText(text)).not.toMatch(obeyed);
        expect(safeText(text)).not.toContain('\n');
        expect(safeLines(text)).not.toMatch(obeyed);
        expect(safeLines(text).split('\n')).toHaveLength(text.split('\n').length);
      }),
    );
  });
});

describe('safeJson', () => {
  it('parses to the same value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
        const json = safeJson(value);
        expect(json).not.toMatch(obeyed);
        expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  it('is JSON for what JSON has no word for', () => {
    expect(safeJson(undefined)).toBe('null');
  });
});
