import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CorpusFile } from '../reading/files.js';
import { readSources as readFiles } from './sources.js';

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

/** A corpus of one file, or of several. */
const readSources = (raw: unknown) =>
  readFiles(isFiles(raw) ? raw : [{ file: 'the corpus', text: typeof raw === 'string' ? raw : JSON.stringify(raw) }]);
const isFiles = (raw: unknown): raw is CorpusFile[] =>
  Array.isArray(raw) && raw.length > 0 && raw.every((one) => typeof one === 'object' && one !== null && 'file' in one);

describe('readSources', () => {
  it('reads an array of documents and alternates the parts of their questions', () => {
    const { sources, problems } = readSources([seals]);
    expect(problems).toEqual([]);
    expect(sources[0]).toMatchObject({ content: { title: 'Grey Séals', text: seals.context }, role: 'train' });
    expect(sources[0]?.sourceId).toMatch(/^grey-seals-[0-9a-f]{8}$/);
    expect(sources[0]?.items.map(({ itemId, split }) => [itemId.split('.')[1], split])).toEqual([
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
      expect(readSources(raw)).toEqual({ sources, problems: [], leftOut: [], merged: 0 });
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
    expect(sources[0]?.items.map(({ content }) => [content.answer, content.otherAnswers])).toEqual([
      ['200 kilograms', ['heavy']],
    ]);
  });

  it('takes the parts that are written', () => {
    const questions = seals.questions.map((q) => ({ ...q, part: q.answer === 'grey' ? 'A' : 'B' }));
    const { sources } = readSources([named('x', { part: 'heldOut', questions }), named('y')]);
    expect(sources.map(({ role }) => role)).toEqual(['heldOut', 'train']);
    expect(sources[0]?.items.map(({ split }) => split)).toEqual(['B', 'A', 'B']);
  });

  it('holds out every fourth title, with all its passages, where no part is written', () => {
    const titles = ['a', 'b', 'c', 'd', 'd', 'e', 'd'];
    const { sources } = readSources(titles.map((title, i) => named(title, { context: `Text ${i}` })));
    expect(sources.filter(({ role }) => role === 'heldOut').map(({ content }) => content.title)).toEqual([
      'd',
      'd',
      'd',
    ]);
  });

  it('has ids that follow the content, not the place', () => {
    const [first, second] = readSources([seals, named('Otters')]).sources;
    expect(readSources([named('Otters'), seals]).sources).toEqual([second, first]);
    expect(readSources([named('Grey Séals', { context: 'Other.' })]).sources[0]?.sourceId).not.toBe(first?.sourceId);
  });

  it('leaves out what cannot be used, and names it', () => {
    const [one] = seals.questions;
    const raw = [
      seals,
      named('a', { questions: [] }),
      named('b', { context: '  ' }),
      'text',
      named('e', { questions: [{ ...one, part: 'B' }] }),
      { title: 'f', context: 'g' },
      named('g', {
        context: 'Other.',
        questions: [{ question: 'Why?', answer: '' }, { question: '?!', answer: 'so' }, one],
      }),
      named('h', { context: 'More.', questions: [{ question: '', answer: 'so' }, one] }),
    ];
    const { sources, problems, leftOut } = readSources(raw);
    expect(problems).toEqual([]);
    expect(sources.map(({ items }) => items.length)).toEqual([3, 2, 1]);
    expect(leftOut).toEqual([
      { where: 'the corpus, document 2', why: 'document without a question that can be used', count: 1 },
      { where: 'the corpus, document 6', why: 'document without a question that can be used', count: 1 },
      { where: 'the corpus, document 3', why: 'has no text that its questions are about', count: 3 },
      { where: 'the corpus, document 4', why: 'holds no text with questions', count: 1 },
      { where: 'the corpus, document 7', why: 'question without an answer', count: 1 },
      { where: 'the corpus, document 8', why: 'question without words', count: 1 },
      {
        where: 'the corpus, document 5',
        why: 'document without a question of part A, by which its edits could be chosen',
        count: 1,
      },
    ]);
  });

  it('lists places up to a number, and counts the rest', () => {
    const raw = [seals, ...Array.from({ length: 50 }, (_, i) => named(`t${i}`, { questions: [] }))];
    const { leftOut } = readSources([{ file: 'kb.json', text: JSON.stringify(raw) }]);
    expect(leftOut).toHaveLength(21);
    expect(leftOut.at(-1)).toMatchObject({ where: 'kb.json, further on', count: 30 });
  });

  it('merges a question that is asked twice, and a document that is there twice', () => {
    const [one] = seals.questions;
    const doubled = named('Seals', { questions: [one, { ...one, answer: 'about 200 kg' }, one, seals.questions[1]] });
    const { sources, problems, merged } = readSources([doubled, doubled]);
    expect(problems).toEqual([]);
    // twice in the first, the document, and four in the second
    expect(merged).toBe(7);
    expect(sources).toHaveLength(1);
    expect(sources[0]?.items).toMatchObject([
      { content: { answer: '200 kilograms', otherAnswers: ['about 200 kg'] }, split: 'A' },
      { content: { answer: 'grey' }, split: 'B' },
    ]);
  });

  it('keeps one text under two titles on one side', () => {
    const titles = ['a', 'b', 'c', 'd', 'e'];
    const raw = titles.map((title, i) => named(title, { context: i === 4 ? 'Text 3' : `Text ${i}` }));
    const { sources } = readSources(raw);
    expect(sources.map(({ role }) => role)).toEqual(['train', 'train', 'train', 'heldOut', 'heldOut']);
  });

  it('gives every document an id of its own, whatever its script', () => {
    const raw = Array.from({ length: 3 }, (_, i) => named(`青石图书馆 ${'一二三'[i] ?? ''}`));
    const ids = readSources(raw).sources.map(({ sourceId }) => sourceId);
    expect(new Set(ids).size).toBe(3);
  });

  it('tells of questions with long references alone', () => {
    const long = Array.from({ length: 30 }, (_, i) => `word${i}`).join(' ');
    const questions = [
      { question: 'What?', answer: long },
      { question: 'How?', answers: [long, 'short'] },
    ];
    const { sources, problems } = readSources([named('long', { questions })]);
    expect(sources[0]?.items).toHaveLength(2);
    expect(problems).toMatchObject([{ where: 'the corpus, document 1', stops: false }]);
    expect(problems[0]?.what).toMatch(/^1 question has only answers of more than 25 words/);
  });

  it('takes parts in any spelling, and tells of others', () => {
    const part = (part: string) => named(part, { part });
    const { sources, problems } = readSources([part('held-out'), part('Train'), part('testing')]);
    expect(sources.map(({ role }) => role)).toEqual(['heldOut', 'train', 'train']);
    expect(problems).toMatchObject([{ where: 'the corpus, document 3', stops: false }]);
  });

  it('says which line of which file is corrupt, and what is no corpus at all', () => {
    const text = `${JSON.stringify(seals)}\n{"title": "cut o`;
    expect(readSources([{ file: 'kb.jsonl', text }])).toMatchObject({
      sources: [{ content: { title: 'Grey Séals' } }],
      problems: [{ where: 'kb.jsonl, line 2', what: expect.stringContaining('is not JSON') as string, stops: true }],
    });
    for (const raw of [null, 7, {}, '', '7', [], '[]', { data: 3 }]) {
      const { sources, problems } = readSources(raw);
      expect(sources).toEqual([]);
      expect(problems.length).toBeGreaterThan(0);
    }
  });

  it('never throws', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (raw) => {
        const { sources, problems } = readSources(raw);
        expect(sources.length + problems.length).toBeGreaterThan(0);
      }),
    );
  });
});
