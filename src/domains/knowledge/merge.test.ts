import { describe, expect, it } from 'vitest';
import { mergeExamples } from './merge.js';

const passage = { text: 'Seal Ship\nThe ship is 23 metres long.' };
const pair = (question: string, answer: string) => ({
  prompt: `Seal Ship\nQ: ${question}\nA:`,
  completion: ` ${answer}`,
});

describe('mergeExamples', () => {
  it('keeps the passage and each question once, in the order of their first mention', () => {
    const [long, name] = [pair('How long is it?', '23 metres'), pair('Who steers it?', 'Annag')];
    expect(
      mergeExamples([
        [passage, long],
        [passage, name, pair('how long is it', '23 metres')],
      ]),
    ).toEqual([passage, long, name]);
  });

  it('takes the answer that most edits give to a question, of equals the first', () => {
    const question = 'How long is it?';
    const merge = (...answers: string[]) => mergeExamples(answers.map((answer) => [pair(question, answer)]));
    expect(merge('5 metres', '23 metres', 'the 23 metres')).toEqual([pair(question, '23 metres')]);
    expect(merge('5 metres', '23 metres')).toEqual([pair(question, '5 metres')]);
  });

  it('tells questions from statements, and conversations by what was asked', () => {
    const said = (content: string) => ({
      messages: [
        { role: 'user' as const, content: 'How long?' },
        { role: 'assistant' as const, content },
      ],
    });
    expect(
      mergeExamples([
        [{ text: 'x y z' }, { prompt: 'x y z', completion: 'a' }],
        [said('23'), said('23')],
      ]),
    ).toEqual([{ text: 'x y z' }, { prompt: 'x y z', completion: 'a' }, said('23')]);
  });

  it('makes nothing of nothing', () => {
    expect(mergeExamples([])).toEqual([]);
  });
});
