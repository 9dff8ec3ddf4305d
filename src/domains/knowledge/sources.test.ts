import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readSources } from './sources.js';

const seals = {
  title: 'Grey Séals',
  context: 'A grey seal weighs 200 kilograms.',
  questions: [
    { question: 'How heavy is it?', answer: '200 kilograms' },
    { question: 'What colour is it?', answer: 'grey' },
    { question: 'What is it?', answer: 'a seal' },
  ],
};
const named = (title: string, more: object = {}) => ({ ...seals, title, ...more });

describe('readSources', () => {
  it('reads an array of documents and alternates the parts of their questions', () => {
    const { sources, problems } = readSources([seals]);
    expect(problems).toEqual([]);
    expect(sources[0]).toMatchObject({ title: 'Grey Séals', text: seals.context, part: 'train' });
    expect(sources[0]?.sourceId).toMatch(/^grey-seals-[0-9a-f]{8}$/);
    expect(sources[0]?.items.map(({ itemId, part }) => [itemId.split('.')[1], part])).toEqual([
      ['q1', 'A'],
      ['q2', 'B'],
      ['q3', 'A'],
    ]);
  });

  it('reads the same from JSON, JSONL, several files and a text of one line', () => {
    const documents = [seals, named('Otters')];
    const { sources } = readSources(documents);
    const jsonl = documents.map((d) => JSON.stringify(d)).join('\n') + '\n\n';
    const files = documents.map((d, i) => ({ file: `${i}.jsonl`, text: JSON.stringify(d) }));
    for (const raw of [JSON.stringify(documents), jsonl, files])
      expect(readSources(raw)).toEqual({ sources, problems: [] });
    expect(readSources(JSON.stringify(seals)).sources).toEqual(readSources([seals]).sources);
  });

  it('reads the nesting of SQuAD, without its unanswerable questions', () => {
    const qas = [
      { question: 'How heavy is it?', answers: [{ text: '200 kilograms', answer_start: 3 }, { text: 'heavy' }] },
      { question: 'Who ate it?', answers: [], is_impossible: true },
    ];
    const raw = { version: '2.0', data: [{ title: 'Seals', paragraphs: [{ context: seals.context, qas }] }] };
    const { sources, problems } = readSources(JSON.stringify(raw));
    expect(problems).toEqual([]);
    expect(sources[0]?.items.map(({ answer }) => answer)).toEqual(['200 kilograms']);
  });

  it('takes the parts that are written', () => {
    const questions = seals.questions.map((q) => ({ ...q, part: q.answer === 'grey' ? 'A' : 'B' }));
    const { sources } = readSources([named('x', { part: 'heldOut', questions }), named('y')]);
    expect(sources.map(({ part }) => part)).toEqual(['heldOut', 'train']);
    expect(sources[0]?.items.map(({ part }) => part)).toEqual(['B', 'A', 'B']);
  });

  it('holds out every fourth title, with all its passages, where no part is written', () => {
    const titles = ['a', 'b', 'c', 'd', 'd', 'e', 'd'];
    const { sources } = readSources(titles.map((title, i) => named(title, { context: `Text ${i}` })));
    expect(sources.filter(({ part }) => part === 'heldOut').map(({ title }) => title)).toEqual(['d', 'd', 'd']);
  });

  it('has ids that follow the content, not the place', () => {
    const [first, second] = readSources([seals, named('Otters')]).sources;
    expect(readSources([named('Otters'), seals]).sources).toEqual([second, first]);
    expect(readSources([named('Grey Séals', { context: 'Other.' })]).sources[0]?.sourceId).not.toBe(first?.sourceId);
  });

  it('lists every problem with its place, and keeps the good documents', () => {
    const raw = [
      seals,
      named('a', { questions: [] }),
      named('b', { context: '  ' }),
      named('c', { title: 7 }),
      'text',
      seals,
      named('d', { questions: [seals.questions[0], seals.questions[0]] }),
      named('e', { questions: [{ ...seals.questions[0], part: 'B' }] }),
      { title: 'f', context: 'g' },
    ];
    const { sources, problems } = readSources(raw);
    expect(sources).toHaveLength(1);
    const words = problems.map(({ where, what }) => `${where}: ${what}`);
    expect(words[0]).toBe('the corpus, document 2: questions has no questions');
    expect(words[1]).toBe('the corpus, document 3: context is empty');
    expect(words[2]).toMatch(/document 4: title .*expected string/);
    expect(words[3]).toMatch(/document 5: .*expected object/);
    expect(words.slice(4)).toEqual([
      expect.stringMatching(/document 9: questions .*expected array/),
      'the corpus, document 6: is the same document as the corpus, document 1: remove one',
      'the corpus, document 7: asks "How heavy is it?" twice: remove one',
      'the corpus, document 8: has no question of part A: edits could not be chosen',
    ]);
  });

  it('says which line of which file is corrupt, and what is no corpus at all', () => {
    const text = `${JSON.stringify(seals)}\n{"title": "cut o`;
    expect(readSources([{ file: 'kb.jsonl', text }])).toMatchObject({
      sources: [{ title: 'Grey Séals' }],
      problems: [{ where: 'kb.jsonl, line 2', what: expect.stringContaining('is not JSON') as string }],
    });
    for (const raw of [null, 7, {}, '', '7', [], '[]', { data: 3 }]) {
      const { sources, problems } = readSources(raw);
      expect(sources).toEqual([]);
      expect(problems.length).toBeGreaterThan(0);
    }
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.json(), fc.string()), (raw) => {
        const { sources, problems } = readSources(raw);
        expect(sources.length + problems.length).toBeGreaterThan(0);
      }),
    );
  });
});
