import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeText } from '../../src/activities/corpus/decode.js';
import { readSources } from '../../src/domains/knowledge/sources.js';
import type { CorpusFile } from '../../src/domains/reading/files.js';
import { encodings, layouts, lineEnds, type PlainDocument } from '../support/corpus-layouts.js';

// One corpus in every layout, encoding and line end is one corpus.

const words = fc.constantFrom(
  ...['harbour', 'Ada Quint', '"quoted"', "it's", 'a, b; c | d', 'a\tb', '{x}', '[y', 'C:\\new', '5 %', '½', '👍🏽'],
  ...[
    'Ё',
    'ß',
    '河口市',
    '灯台',
    'ตลาดน้ำ',
    'جسر',
    'पुल',
    '다리',
    'é',
    'e\u0301',
    '&amp;',
    '<b>',
    '#1',
    '++',
    'NaN',
    'true',
  ],
);
const line = fc.array(words, { minLength: 1, maxLength: 5 }).map((parts) => parts.join(' ').replace(/\s+/g, ' '));
const text = fc.array(line, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('\n'));
const answers = fc.uniqueArray(line, { minLength: 1, maxLength: 3 });

const corpus: fc.Arbitrary<PlainDocument[]> = fc
  .array(fc.tuple(text, fc.array(fc.tuple(line, answers), { minLength: 1, maxLength: 3 })), {
    minLength: 1,
    maxLength: 5,
  })
  .map((documents) =>
    documents.map(([context, questions], d) => ({
      title: `Title ${d}`,
      context: `${d} ${context}`,
      questions: questions.map(([question, answers], q) => ({ question: `${q} ${question}?`, answers })),
    })),
  );

const limit = 2 ** 20;

function read(files: CorpusFile[], encode: (text: string) => Uint8Array, lineEnd: string) {
  return readSources(
    files.map(({ file, text }) => {
      const decoded = decodeText(encode(text.replaceAll('\n', lineEnd)), limit);
      return { file, text: decoded.ok ? decoded.text : decoded.what };
    }),
  );
}

describe.each(Object.entries(layouts))('%s', (_, layout) => {
  it('is read alike in every encoding and with every line end', () => {
    fc.assert(
      fc.property(corpus, (documents) => {
        const expected = documents.map(({ title, context, questions }) => ({
          title,
          text: context,
          items: questions.map(({ question, answers: [answer, ...others] }) => [question, answer, others]),
        }));
        for (const encode of Object.values(encodings)) {
          for (const lineEnd of lineEnds) {
            const { sources, problems, leftOut, merged } = read(layout(documents), encode, lineEnd);
            expect({ problems, leftOut, merged }).toEqual({ problems: [], leftOut: [], merged: 0 });
            expect(
              sources.map(({ content: { title, text }, items }) => ({
                title,
                text,
                items: items.map(({ content }) => [content.question, content.answer, content.otherAnswers]),
              })),
            ).toEqual(expected);
          }
        }
      }),
      { numRuns: 8 },
    );
  });
});

it('gives one corpus the same ids and parts in all of them', () => {
  const documents = Array.from({ length: 9 }, (_, d) => ({
    title: `Title ${d}`,
    context: `Text ${d}.`,
    questions: [1, 2, 3].map((q) => ({ question: `Question ${q}?`, answers: [`answer ${q}`] })),
  }));
  const [first, ...others] = Object.values(layouts).map((layout) => readSources(layout(documents)));
  for (const other of others) expect(other).toEqual(first);
});
