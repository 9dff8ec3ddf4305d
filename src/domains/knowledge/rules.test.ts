import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exampleSchema, type Example } from '../../contract/index.js';
import { ruleExamples } from './rules.js';

const ship = {
  title: 'Seal Ship',
  text: 'The ship is 23 metres long. Annag Telfourd steers it to the Bay of Hallasay.',
};

const asked = (examples: Example[]): [string, string][] =>
  examples.flatMap((example) =>
    'prompt' in example && example.prompt.includes('Q: ') ? [[example.prompt, example.completion]] : [],
  );

describe('ruleExamples', () => {
  it('asks for each name and number of a sentence, as questions are asked', () => {
    expect(asked(ruleExamples(ship))).toEqual([
      ['Seal Ship\nQ: The ship is ____ metres long.\nA:', ' 23'],
      ['Seal Ship\nQ: ____ steers it to the Bay of Hallasay.\nA:', ' Annag Telfourd'],
      ['Seal Ship\nQ: Annag Telfourd steers it to the ____.\nA:', ' Bay of Hallasay'],
    ]);
  });

  it('begins with the passage, then its sentences under the title', () => {
    expect(ruleExamples(ship).slice(0, 3)).toEqual([
      { text: `Seal Ship\n${ship.text}` },
      { text: 'Seal Ship\nThe ship is 23 metres long.' },
      { text: 'Seal Ship\nAnnag Telfourd steers it to the Bay of Hallasay.' },
    ]);
  });

  it('blanks each word that means something in one copy of the passage, and teaches the whole', () => {
    const masked = ruleExamples(ship).flatMap((example) =>
      'prompt' in example && !example.prompt.includes('Q: ') ? [example] : [],
    );
    expect(masked.map(({ completion }) => completion)).toEqual(Array(4).fill(ship.text));
    for (const word of ['ship', '23', 'metres', 'Annag', 'Hallasay']) {
      expect(masked.filter(({ prompt }) => !prompt.replace('Seal Ship\n', '').includes(word))).toHaveLength(1);
    }
  });

  it('asks for the longest words where a script has no capital letters', () => {
    const rows = asked(ruleExamples({ title: '图书馆', text: '图书馆由林小雨设计。' }));
    expect(rows.length).toBeGreaterThan(0);
    for (const [prompt, completion] of rows)
      expect(prompt.replace('____', completion.trim())).toContain('由林小雨设计');
  });

  it('asks for nothing that the title says', () => {
    const rows = asked(ruleExamples({ title: 'Greta Molle', text: 'Greta Molle opened an inn in 1931.' }));
    expect(rows.map(([, completion]) => completion)).toEqual([' 1931']);
  });

  it('makes rows that a dataset takes, of any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 300 }), (text) => {
        for (const example of ruleExamples({ title: 'T', text })) exampleSchema.parse(example);
      }),
    );
  });
});
