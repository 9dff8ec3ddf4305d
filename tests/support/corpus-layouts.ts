import { gzipSync } from 'node:zlib';
import Papa from 'papaparse';
import type { CorpusFile } from '../../src/domains/reading/files.js';

/** What a file holds, whatever its layout. */
export interface PlainDocument {
  title: string;
  context: string;
  questions: { question: string; answers: string[] }[];
}

type Layout = (documents: PlainDocument[]) => CorpusFile[];

const one = (file: string, text: string): CorpusFile[] => [{ file, text }];
const json = (value: unknown): string => JSON.stringify(value, null, 1);
const lines = (values: unknown[]): string => values.map((value) => JSON.stringify(value)).join('\n');

const qasOf = ({ questions }: PlainDocument) =>
  questions.map(({ question, answers }, i) => ({
    id: `q${i}`,
    question,
    answers: answers.map((text) => ({ text, answer_start: 0 })),
  }));

const articles = (documents: PlainDocument[], more: object = {}) => ({
  version: 'v2.0',
  data: documents.map((document) => ({
    title: document.title,
    paragraphs: [{ context: document.context, qas: qasOf(document).map((qa) => ({ ...qa, ...more })) }],
  })),
});

/** One question a row, with its answers as `listed` writes them. */
const rowsOf = (documents: PlainDocument[], listed: (answers: string[]) => unknown) =>
  documents.flatMap(({ title, context, questions }) =>
    questions.map(({ question, answers }) => ({ title, context, question, answers: listed(answers) })),
  );
const spans = (answers: string[]) => ({ text: answers, answer_start: answers.map(() => 0) });

/** As Python prints a list of texts. */
const printed = (answers: string[]): string =>
  answers.map((text) => `'${text.replace(/[\\']/g, (mark) => `\\${mark}`)}'`).join(', ');

const table = (documents: PlainDocument[], delimiter: string, listed: (answers: string[]) => string): string =>
  Papa.unparse(rowsOf(documents, listed), { delimiter, newline: '\n' });

const asJson = (answers: string[]): string => JSON.stringify(answers);

/** Everything that people keep questions on documents in. */
export const layouts: Record<string, Layout> = {
  'array of documents': (documents) => one('kb.json', json(documents)),
  'documents by line': (documents) => one('kb.jsonl', lines(documents)),
  'documents by line with an ending of JSON': (documents) => one('kb.JSON', `${lines(documents)}\n\n`),
  'one answer, then others': (documents) =>
    one(
      'kb.ndjson',
      lines(
        documents.map(({ questions, ...document }) => ({
          ...document,
          questions: questions.map(({ question, answers: [answer, ...otherAnswers] }) => ({
            question,
            answer,
            otherAnswers,
          })),
        })),
      ),
    ),
  'one document a file': (documents) =>
    documents.map((document, i) => ({ file: `pages/${i}/page.json`, text: json(document) })),
  'SQuAD 1': (documents) => one('train-v1.1.json', JSON.stringify(articles(documents))),
  'SQuAD 2': (documents) => one('train-v2.0.json', json(articles(documents, { is_impossible: false }))),
  'articles by line': (documents) => one('articles.jsonl', lines(articles(documents).data)),
  'rows by line': (documents) => one('train.jsonl', lines(rowsOf(documents, spans))),
  'rows under data': (documents) => one('train.json', json({ data: rowsOf(documents, spans) })),
  'rows of a viewer': (documents) =>
    one(
      'rows.json',
      json({
        features: [{ name: 'context', type: { dtype: 'string' } }],
        rows: rowsOf(documents, spans).map((row, row_idx) => ({ row_idx, row })),
      }),
    ),
  'columns of lists': (documents) => {
    const rows = rowsOf(documents, spans);
    const column = (name: keyof (typeof rows)[number]) => rows.map((row) => row[name]);
    return one(
      'columns.json',
      json({
        title: column('title'),
        context: column('context'),
        question: column('question'),
        answers: column('answers'),
      }),
    );
  },
  'columns and data': (documents) => {
    const rows = rowsOf(documents, spans);
    const columns = ['question', 'answers', 'title', 'context'] as const;
    return one('split.json', json({ columns, index: [], data: rows.map((row) => columns.map((name) => row[name])) }));
  },
  'MRQA with titles': (documents) =>
    one(
      'mrqa.jsonl',
      lines([
        { header: { dataset: 'x', split: 'train' } },
        ...documents.map(({ title, context, questions }) => ({
          id: '',
          title,
          context,
          qas: questions.map(({ question, answers }) => ({
            qid: 'x',
            question,
            answers,
            detected_answers: answers.map((text) => ({ text, char_spans: [[0, 1]] })),
          })),
        })),
      ]),
    ),
  CSV: (documents) => one('kb.csv', table(documents, ',', asJson)),
  'CSV with semicolons': (documents) => one('kb.Csv', table(documents, ';', asJson)),
  TSV: (documents) => one('kb.tsv', table(documents, '\t', asJson)),
  'CSV as pandas writes lists': (documents) =>
    one(
      'kb.csv',
      table(
        documents,
        ',',
        (answers) => `{'text': array([${printed(answers)}], dtype=object), 'answer_start': array([0])}`,
      ),
    ),
};

export const lineEnds = ['\n', '\r\n', '\r'] as const;

const utf16be = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16();

export const encodings: Record<string, (text: string) => Uint8Array> = {
  'UTF-8': (text) => Buffer.from(text),
  'UTF-8 with a mark': (text) => Buffer.from(`\ufeff${text}`),
  'UTF-16LE with a mark': (text) => Buffer.from(`\ufeff${text}`, 'utf16le'),
  'UTF-16BE with a mark': (text) => utf16be(`\ufeff${text}`),
  'UTF-16LE': (text) => Buffer.from(text, 'utf16le'),
  'UTF-16BE': utf16be,
  gzip: (text) => gzipSync(text),
};
