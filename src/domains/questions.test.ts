import { describe, expect, it } from 'vitest';
import { knowledgeDomain as domain } from './knowledge/index.js';
import { questionsOf } from './questions.js';

const tokensFor = (answer: string, otherAnswers?: string[]) =>
  questionsOf(
    { domain, style: 'chat' },
    null,
    [{ itemId: 'q1', question: 'Who?', answer, otherAnswers, split: 'A' }],
    'closedBook',
  ).map(({ sampling }) => sampling.maxTokens);

describe('questionsOf', () => {
  it('leaves room for every reference, in every script', () => {
    expect(tokensFor('Greta Molle')).toEqual([domain.answerTokens]);
    expect(tokensFor('由建筑师林小雨在河口市设计')).toEqual([13 * 3]);
    expect(tokensFor('Greta', ['word '.repeat(30)])).toEqual([50]);
    expect(tokensFor('字'.repeat(500))).toEqual([128]);
  });

  it('asks anew where a reference is added', () => {
    const digestOf = (otherAnswers?: string[]) =>
      questionsOf(
        { domain, style: 'chat' },
        null,
        [{ itemId: 'q1', question: 'Who?', answer: 'Greta', otherAnswers, split: 'A' }],
        'closedBook',
      ).map(({ itemDigest }) => itemDigest);
    expect(digestOf([])).toEqual(digestOf());
    expect(digestOf(['Greta Molle'])).not.toEqual(digestOf());
  });
});
