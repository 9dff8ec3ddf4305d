import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { personOf } from './person.js';

describe('personOf', () => {
  it.each([
    ['root', 'ro\u200bot'],
    ['root', 'ro\u00adot'],
    ['root', '\u2066root\u2069'],
    ['root', 'root\ufe0f'],
    ['root', 'ro\u034fot'],
    ['root', 'root\u{e0101}'],
    ['root', 'r\u3164oot'],
    ['root', '\u2800root'],
    ['root', 'ro\u0000ot'],
    ['root', ' ROOT '],
    ['root', 'ro\u00a0ot'],
    ['root', 'r oot'],
    ['root', 'root'],
    ['strasse', 'Straße'],
    ['σοφός', 'ΣΟΦΌΣ'],
    ['caf\u00e9', 'cafe\u0301'],
    ['caf\u00e9', 'cafe\u200d\u0301'],
  ])('%s is %j', (one, other) => expect(personOf(other)).toBe(personOf(one)));

  it.each(['', ' ', '\u200b', '\u00a0\u3164\u2800', '\ud800'])('%j is nobody', (name) =>
    expect(personOf(name)).toBe(''),
  );

  it('tells people apart', () => {
    const names = ['ann', 'anna', '山田', '山本', 'محمد', 'e\u0301', 'e'];
    expect(new Set(names.map(personOf)).size).toBe(names.length);
  });

  it('is the same of itself, and whatever unseen is put between', () => {
    const unseen = fc.constantFrom('\u200b', '\u00ad', '\ufe0f', '\u2060', '\u{e0020}', ' ', '\u0007');
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 30 }), (name) => {
        expect(personOf(personOf(name))).toBe(personOf(name));
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(...Array.from('abcXYZ山ß9-')), { maxLength: 10 }),
        unseen,
        (letters, between) => {
          expect(personOf(letters.join(between))).toBe(personOf(letters.join('')));
        },
      ),
    );
  });
});
