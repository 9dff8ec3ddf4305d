import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PassageQuestion } from '../contract/index.js';
import { sharedSentences, splitBySentence } from './question-splits.js';

const question = (passageId: string, answerSentence: string) => ({
  question: 'When?',
  answer: '1911',
  otherAnswers: [],
  passageId,
  answerSentence,
  writtenBy: 'ann',
});

describe('the splits of questions', () => {
  it('never share an answer sentence, and keep every question in its place', () => {
    const questions = fc.array(
      fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.constantFrom('One.', 'one. ', 'Two.', 'Three.', 'Four.')),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(questions, (pairs) => {
        const given = pairs.map(([passageId, sentence]) => question(passageId, sentence));
        const split = splitBySentence(given);
        expect(sharedSentences(split)).toEqual([]);
        expect(split).toMatchObject(given);
      }),
    );
  });

  it('give a passage with two sentences both splits', () => {
    const split = splitBySentence([question('a', 'One.'), question('a', 'One.'), question('a', 'Two.')]);
    expect(split.map((one) => one.split)).toEqual(['A', 'A', 'B']);
  });

  it('name a sentence that both have', () => {
    const questions: PassageQuestion[] = [
      { ...question('a', 'It opened in 1911.'), split: 'A' },
      { ...question('b', 'It  opened in 1911.'), split: 'B' },
      { ...question('b', 'Ann keeps it.'), split: 'B' },
    ];
    expect(sharedSentences(questions)).toEqual(['It opened in 1911.']);
  });
});
