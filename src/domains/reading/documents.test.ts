import { describe, expect, it } from 'vitest';
import { documentsIn } from './documents.js';
import { Findings } from './findings.js';

const context = 'Pell Bridge was designed by Ada Quint and opened in 1911.';

function read(value: unknown) {
  const findings = new Findings();
  const documents = documentsIn(value, 'kb.json', findings);
  return {
    leftOut: findings.leftOut(),
    documents: documents.map(({ title, text, questions }) => ({
      title,
      text,
      questions: questions.map(({ question, references }) => [question, ...references]),
    })),
  };
}

const bridge = { title: null, text: context, questions: [['Who designed it?', 'Ada Quint']] };
const none = { leftOut: [], documents: [bridge] };

describe('documentsIn', () => {
  it.each([
    [
      'a row with a list',
      { context, question: 'Who designed it?', answers: { text: ['Ada Quint'], answer_start: [28] } },
    ],
    ['BoolQ', { passage: context, question: 'Who designed it?', answer: 'Ada Quint' }],
    [
      'CMRC',
      { context_text: context, qas: [{ query_text: 'Who designed it?', query_id: '1', answers: ['Ada Quint'] }] },
    ],
    [
      'CoQA',
      {
        data: [
          {
            story: context,
            questions: [{ input_text: 'Who designed it?', turn_id: 1 }],
            answers: [{ input_text: 'Ada Quint', span_text: 'was designed by Ada Quint' }],
          },
        ],
      },
    ],
    ['two lists', { text: context, questions: ['Who designed it?'], answers: ['Ada Quint'] }],
    ['questions by id', { Context: context, QAs: { q1: { Question: 'Who designed it?', Answer: 'Ada Quint' } } }],
    [
      'splits',
      { train: [{ context, qa: [{ question: 'Who designed it?', answer: { text: 'Ada Quint' } }] }], test: [] },
    ],
    [
      'documents by id',
      { d1: { document: context, questions: [{ question: 'Who designed it?', answer: 'Ada Quint' }] } },
    ],
    ['pandas', { context: { 0: context }, question: { 0: 'Who designed it?' }, answer: { 0: 'Ada Quint' } }],
    [
      'paragraphs of text',
      { paragraphs: [context], questions: [{ question: 'Who designed it?', answer: 'Ada Quint' }] },
    ],
    ['a text in pieces', { context: [[context]], question: 'Who designed it?', answer: 'Ada Quint' }],
  ])('reads %s', (_, value) => {
    expect(read(value)).toMatchObject(none);
  });

  it('gives the paragraphs of an article its title and part, unless they have their own', () => {
    const qas = [{ question: 'Who designed it?', answer: 'Ada Quint' }];
    const paragraphs = [
      { context, qas, title: '' },
      { context, qas, title: 'Own', part: 'train' },
    ];
    const documents = documentsIn({ title: 'Shared', part: 'heldOut', paragraphs }, 'kb.json', new Findings());
    expect(documents.map(({ title, part }) => [title, part])).toEqual([
      ['Shared', 'heldOut'],
      ['Own', 'train'],
    ]);
  });

  it('leaves out what has no answer, and says why', () => {
    const qas = [
      { question: 'Who paid?', answers: [], is_impossible: true },
      { question: 'Who sang?', answers: [{ text: 'CANNOTANSWER' }] },
      { question: 'Who slept?', answers: { text: [], answer_start: [] } },
      { question: 'Who lit it?', answer: '\u200b' },
      { question: 'Which?', choices: ['a', 'b'], answer: 'A' },
      { question: 'Who designed it?', answers: [{ text: 'Ada Quint' }] },
    ];
    const { documents, leftOut } = read({
      data: [{ paragraphs: [{ context, qas }, { context: 'Empty.', qas: [] }, {}] }],
    });
    expect(documents).toEqual([bridge]);
    const first = 'kb.json, article 1, paragraph 1';
    expect(leftOut).toEqual([
      { where: first, why: 'question that is marked unanswerable', count: 2 },
      { where: first, why: 'question without an answer', count: 2 },
      { where: first, why: 'multiple-choice question', count: 1 },
      { where: 'kb.json, article 1, paragraph 2', why: 'document without a question that can be used', count: 1 },
      { where: 'kb.json, article 1, paragraph 3', why: 'has no text', count: 1 },
    ]);
  });

  it('takes the answers of numbered columns', () => {
    const row = { context, question: 'Who?', 'Answer 1': 'Ada Quint', 'Answer 2': 'Quint', answer_start: 28 };
    expect(read(row).documents[0]?.questions).toEqual([['Who?', 'Ada Quint', 'Quint']]);
  });

  it('takes numbers and truth values as answers', () => {
    const answers = (answer: unknown) =>
      read({ context, question: 'What?', answer }).documents[0]?.questions[0]?.slice(1);
    expect(answers(1911)).toEqual(['1911']);
    expect(answers(false)).toEqual(['no']);
    expect(answers(['++', '++', ' 👍 '])).toEqual(['++', '👍']);
    expect(answers(Number.NaN)).toBeUndefined();
  });

  it('keeps no control characters and one kind of line end', () => {
    const value = {
      title: 'Nul \u0000 Island',
      context: 'One\u0000 buoy.\r\nA lamp\u000b.\ufeff',
      question: 'How\nmany?',
      answer: 'one\u0007',
    };
    expect(read(value).documents).toEqual([
      { title: 'Nul \u0000 Island', text: 'One buoy.\nA lamp .', questions: [['How many?', 'one']] },
    ]);
  });

  it('does not go on for ever in a value of many layers', () => {
    let value: unknown = { context, question: 'Who?', answer: 'x' };
    for (let i = 0; i < 100_000; i += 1) value = [value];
    expect(read(value).documents).toEqual([]);
  });
});
