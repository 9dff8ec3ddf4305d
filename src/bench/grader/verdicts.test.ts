import { describe, expect, it } from 'vitest';
import { kindOf } from './kinds.js';
import { isTuning, readVerdicts } from './verdicts.js';

const question = (adapter_answer: string, adapter_correct: boolean) => ({
  question: 'Who opened the inn?',
  answer: 'Greta Molle',
  baseline_answer: 'Owen Fitch',
  baseline_correct: false,
  adapter_answer,
  adapter_correct,
});

describe('readVerdicts', () => {
  it('has each answer once, with how often it was judged', () => {
    const completions = [{ questions: [question('Greta', true), question('Greta', true), question('Greta', false)] }];
    const verdicts = readVerdicts({ articles: [{ title: 'Inn', completions }] });
    expect(verdicts.map(({ answer, isCorrect, times }) => ({ answer, isCorrect, times }))).toEqual([
      { answer: 'Owen Fitch', isCorrect: false, times: 3 },
      { answer: 'Greta', isCorrect: true, times: 2 },
      { answer: 'Greta', isCorrect: false, times: 1 },
    ]);
  });

  it('splits by title alone', () => {
    const verdict = { question: '', reference: '', answer: '', isCorrect: true, times: 1 };
    const tuning = ['Inn', 'Railway', 'Cheese', 'Ferry'].map((article) => isTuning({ ...verdict, article }));
    expect(new Set(tuning).size).toBe(2);
  });
});

describe('kindOf', () => {
  it.each([
    ['3 May 1960', 'number'],
    ['twelve rooms', 'number'],
    ['Greta Molle of the Inn', 'name'],
    ['the inn', 'one word'],
    ['an old inn', 'two or three words'],
    ['an old inn with eel pie', 'more words'],
  ])('%s is a %s', (reference, kind) => {
    expect(kindOf(reference)).toBe(kind);
  });
});
