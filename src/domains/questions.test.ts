import { describe, expect, it } from 'vitest';
import { answerTokens } from './knowledge/ask.js';
import { knowledgeDomain as domain } from './knowledge/index.js';
import { questionsOf, type Question } from './questions.js';

const questionOn = (answer: string, otherAnswers: string[] = []): Question[] =>
  questionsOf(
    { domain, style: 'chat' },
    null,
    [{ itemId: 'q1', content: { question: 'Who?', answer, otherAnswers } }],
    'closedBook',
  );
const tokensFor = (...references: Parameters<typeof questionOn>): number[] =>
  questionOn(...references).map(({ sampling }) => sampling.maxTokens);

describe('questionsOf', () => {
  it('leaves room for every reference, in every script', () => {
    expect(tokensFor('Greta Molle')).toEqual([answerTokens]);
    expect(tokensFor('由建筑师林小雨在河口市设计')).toEqual([13 * 3]);
    expect(tokensFor('Greta', ['word '.repeat(30)])).toEqual([50]);
    expect(tokensFor('字'.repeat(500))).toEqual([128]);
  });

  it('asks again where a reference is added', () => {
    const digestOf = (otherAnswers: string[]) => questionOn('Greta', otherAnswers).map(({ itemDigest }) => itemDigest);
    expect(digestOf([])).toEqual(digestOf([]));
    expect(digestOf(['Greta Molle'])).not.toEqual(digestOf([]));
  });
});
