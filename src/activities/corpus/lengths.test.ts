import { expect, it } from 'vitest';
import { knowledgeDomain } from '../../domains/knowledge/index.js';
import { readSources } from '../../domains/knowledge/sources.js';
import { fitting } from './lengths.js';

it('leaves out a document that a model cannot read at once, and no other', () => {
  const questions = [1, 2].map((n) => ({ question: `Question ${n}?`, answer: 'so' }));
  const document = (title: string, words: number) => ({ title, context: 'word '.repeat(words), questions });
  const { sources } = readSources([
    { file: 'kb.json', text: JSON.stringify([document('Short', 10), document('Long', 3000)]) },
  ]);
  const room = { promptStyle: 'chat', maxTokens: 96, limit: 2048 } as const;
  const fit = fitting(knowledgeDomain, sources, room);
  expect(fit.sources.map(({ content }) => knowledgeDomain.label(content))).toEqual(['Short']);
  expect(fit.leftOut).toMatchObject([{ where: expect.stringMatching(/^Long \(long-/) as string, count: 2 }]);
  expect(fit.longest).toMatchObject({ document: 'Long', limit: 2048 });
  expect(fitting(knowledgeDomain, sources, { ...room, limit: 8192 }).leftOut).toEqual([]);
});
