import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { estimateTokens } from '../lib/tokens.js';
import { splitText } from './split.js';

const withoutSpaces = (text: string): string => text.replace(/\s/gu, '');

const texts = fc
  .array(
    fc.oneof(
      fc.lorem({ mode: 'sentences', maxCount: 12 }),
      fc.string({ unit: 'grapheme', maxLength: 200 }),
      fc.constant('x'.repeat(500)),
      fc.constantFrom('\n', '\n\n', '다리는 1911년에 열렸다. ', '👩‍👩‍👧‍👦'),
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(' '));

describe('splitText', () => {
  it('loses no character, and no part is longer than the limit', () => {
    fc.assert(
      fc.property(texts, fc.integer({ min: 32, max: 200 }), (text, maxTokens) => {
        const parts = splitText(text, maxTokens);
        expect(withoutSpaces(parts.join(''))).toBe(withoutSpaces(text));
        for (const part of parts) expect(estimateTokens(part)).toBeLessThanOrEqual(maxTokens);
      }),
      { numRuns: 50 },
    );
  });

  it('cuts between sentences where it can', () => {
    const sentence = 'The keeper of the harbour signs each line of the ledger in brown ink every day.';
    const parts = splitText(Array(9).fill(sentence).join(' '), 60);
    expect(parts).toHaveLength(3);
    for (const part of parts) expect(part.split(/(?<=\.) /)).toEqual(Array(3).fill(sentence));
  });

  it('keeps a short text whole', () => {
    expect(splitText(' Short.\n\nText. ', 400)).toEqual(['Short.\n\nText.']);
    expect(splitText(' \n ', 400)).toEqual([]);
  });
});
