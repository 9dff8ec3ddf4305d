import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readPairs, readStatements } from './edit-lines.js';

const pair = { question: 'Who opened the inn?', answer: 'Greta Molle' };

describe('readStatements', () => {
  it('takes off numbers, bullets, labels and markdown, and leaves figures alone', () => {
    const text = [
      'Sure, here are some implications!',
      'Implications of the text:',
      '1. The inn is old.',
      '2) It has **twelve** rooms.',
      '- Eel pie is known widely.',
      '•  3.40 pounds buy a `lunch`.',
      'Rewrite 2: Greta opened it.',
      'E. coli is not served.',
      '---',
      '',
      'Short.',
    ].join('\r\n');
    expect(readStatements(text).found).toEqual([
      'The inn is old.',
      'It has twelve rooms.',
      'Eel pie is known widely.',
      '3.40 pounds buy a lunch.',
      'Greta opened it.',
      'E. coli is not served.',
    ]);
  });

  it('drops a last line that was cut off, but not where no line has a full stop', () => {
    expect(readStatements('The inn is old.\nIt has twelve rooms.\nIt is known for').found).toHaveLength(2);
    expect(readStatements('the inn is old\nit has twelve rooms').found).toHaveLength(2);
    expect(readStatements('the inn is old').found).toHaveLength(1);
  });

  it('takes a repeated line once', () => {
    expect(readStatements('The inn is old.\nthe inn is old.\n1. The inn is old.').found).toHaveLength(1);
  });

  it('says why nothing could be used', () => {
    expect(readStatements(' \n ')).toEqual({ found: [], lost: 'the completion is empty' });
    expect(readStatements('Facts:\nyes').lost).toBe(
      'no line of 2 could be used: each is a heading or shorter than three words',
    );
  });
});

describe('readPairs', () => {
  it.each([
    ['Q: Who opened the inn?\nA: Greta Molle'],
    ['Q1: Who opened the inn?\nA1: Greta Molle'],
    ['**Question 1:** Who opened the inn?\n**Answer:** Greta Molle'],
    ['Question: Who opened the inn?\n\n\nAnswer: Greta Molle'],
    ['1. Who opened the inn?\n   - Greta Molle'],
    ['1) Who opened the inn? - Greta Molle'],
    ['- Who opened the inn? Greta Molle'],
    ['Who opened the inn? (A: Greta Molle'],
    ['Q: Who opened the inn? A: Greta Molle'],
    ['Questions:\nQ. Who opened the inn?\nAns: Greta Molle'],
    ['Greta Molle opened it in 1931.\nQ: Who opened the inn?\nA: Greta Molle'],
    ['Q: Who lives in?\nQ: Who opened the inn?\nA: Greta Molle'],
    ['A: of nothing\nQ: Who opened the inn?\nA: Greta Molle\nQ: What el'],
    ['Q: Who opened the inn?\nA: Greta Molle\nQ: Who?\nA: Owen'],
    ['Q: Who opened the inn?\nA: Greta Molle\nQ: When was that then?\nA:'],
    ['Q: Who opened the inn?\nA: Greta Molle\nQ: Who opened the inn?\nA: greta molle'],
  ])('reads %j', (text) => {
    const { found } = readPairs(text);
    expect(
      found.map(({ question, answer }) => ({ question, answer: answer.replace('greta molle', 'Greta Molle') })),
    ).toEqual([pair]);
  });

  it('drops a last answer that was cut off where the others are sentences', () => {
    const text = 'Q: Who opened the inn?\nA: Greta did.\nQ: When did she do so?\nA: It was in the ye';
    expect(readPairs(text).found).toHaveLength(1);
  });

  it('says why nothing could be used', () => {
    expect(readPairs('').lost).toBe('the completion is empty');
    expect(readPairs('Q: Who opened the inn?\nQ: Who shut the inn?').lost).toMatch(/no line of 2 could be used/);
  });

  it('never throws, and finds no empty question or answer', () => {
    const line = fc.oneof(
      fc.string(),
      fc.constantFrom('Q: ', 'A: ', 'Who is it?', '1. ', '**', 'Question 1: What is it?'),
    );
    fc.assert(
      fc.property(
        fc.array(line).map((lines) => lines.join('\n')),
        (text) => {
          for (const { question, answer } of readPairs(text).found) {
            expect(question.trim()).not.toBe('');
            expect(answer.trim()).not.toBe('');
          }
          for (const statement of readStatements(text).found) expect(statement.trim()).not.toBe('');
        },
      ),
    );
  });
});
