import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gradeAnswer, tokensOf } from './grading.js';

describe('tokensOf', () => {
  it.each([
    ['The  Quick, brown fox!', ['quick', 'brown', 'fox']],
    ['well-known', ['well', 'known']],
    ['2.7% of 1,200', ['2.7', 'of', '1200']],
    ["O'Neill's", ['oneills']],
    ['The', ['the']],
    ['½ ﬁsh', ['12', 'fish']],
    ['…', []],
  ])('%s', (text, tokens) => {
    expect(tokensOf(text)).toEqual(tokens);
  });
});

describe('gradeAnswer', () => {
  it('worked by hand: 2 of 3 tokens recalled in 4 given', () => {
    const grade = gradeAnswer('Morag Innes Bay', 'It was Morag Innes');
    expect(grade).toMatchObject({ match: true, exactMatch: false, words: 4 });
    expect(grade.recall).toBeCloseTo(2 / 3);
    expect(grade.f1).toBeCloseTo(4 / 7);
  });

  it.each([
    ['14 March', '14 April', false],
    ['1990', 'in the 1990s', true],
    ['12', '12km', true],
    ['12', '120', false],
    ['art', 'party', false],
    ['selkie', 'two selkies', true],
    ['2.7', '27', false],
    ['seven', '', false],
    ['Tobar', 'The answer is: "Tobar".', true],
    ['Tobar', `Tobar ${'word '.repeat(25)}`, false],
    ['Tobar', `Tobar ${'word '.repeat(24)}`, true],
  ])('%s / %s', (reference, answer, match) => {
    expect(gradeAnswer(reference, answer).match).toBe(match);
  });

  it('counts a repeated token once for each time the reference has it', () => {
    expect(gradeAnswer('blue whale', 'blue blue blue').recall).toBe(0.5);
  });

  it('finds every reference of words equal to itself, and stays within 0 and 1', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (reference, answer) => {
        const { f1, recall } = gradeAnswer(reference, answer);
        expect(f1 >= 0 && f1 <= 1 && recall >= 0 && recall <= 1).toBe(true);
        const self = gradeAnswer(reference, reference);
        expect(self.exactMatch).toBe(tokensOf(reference).length > 0);
        if (self.exactMatch && self.words <= 25) expect(self).toMatchObject({ match: true, f1: 1, recall: 1 });
      }),
    );
  });
});
