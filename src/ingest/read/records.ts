import { slug } from 'github-slugger';
import { textDigest } from '../../contract/index.js';
import { hasField, isObject, textOf, valuesOf } from '../../domains/reading/fields.js';
import { Findings } from '../../domains/reading/findings.js';
import { jsonValues, type Placed } from '../../domains/reading/json.js';
import { isDocument, membersOf, rowsOfColumns } from '../../domains/reading/layouts.js';
import { tableRows } from '../../domains/reading/tables.js';
import { cleanLine, cleanText, isVisible } from '../../domains/reading/text.js';
import { problem, wholeFile, type FileReading, type ReadDocument } from '../document.js';
import { plainBlocks } from './plain.js';
import { rowLines } from './tree.js';

type Fields = Record<string, unknown>;

/** A text in a file of several. */
interface TextRecord {
  /** as the file states it */
  id: string | null;
  title: string | null;
  text: string;
  /** one of several texts of one title: a paragraph of an article, or a row of one question */
  shared: boolean;
  questions: number;
}

/** No layout is nested deeper. */
const deepest = 8;

const idFields = ['id', '_id', 'docid', 'doc_id'];

/** Reads JSON and JSONL: every text of the layouts that a corpus may have, with or without questions. */
export function readJson(text: string, file: string): FileReading {
  const findings = new Findings();
  const values = jsonValues(text, file, findings);
  const [broken] = findings.problems;
  if (broken !== undefined) return problem('damaged', inFile(broken.where, file, broken.what), broken.fix);
  return reading(values.flatMap(({ value }) => recordsIn(value)));
}

/** Reads a table: a document per row if a column has texts, else one document with a line per row. */
export function readTable(text: string, file: string): FileReading {
  const findings = new Findings();
  const rows = tableRows(text, file, findings, []);
  const [broken] = findings.problems;
  if (broken !== undefined) return problem('damaged', inFile(broken.where, file, broken.what), broken.fix);
  const records = rows.flatMap(({ value }) => recordsIn(value));
  return records.length > 0 ? reading(records) : tableReading(rows);
}

const inFile = (where: string, file: string, what: string): string =>
  where === file ? what : `${where.slice(file.length + 2)}: ${what}`;

function tableReading(rows: Placed[]): FileReading {
  const fields = rows.map(({ value }) => value as Fields);
  const head = Object.keys(fields[0] ?? {});
  const cells = fields.map((row) => head.map((name) => cleanLine(typeof row[name] === 'string' ? row[name] : '')));
  const text = rowLines(head, cells);
  return {
    ok: true,
    documents: [wholeFile(null, isVisible(text) ? [{ kind: 'table', text }] : [])],
    omitted: [],
    warnings: [],
  };
}

function recordsIn(value: unknown, depth = 0): TextRecord[] {
  if (depth > deepest) return [];
  if (Array.isArray(value)) return value.flatMap((one: unknown) => recordsIn(one, depth + 1));
  if (!isObject(value)) return [];
  const [paragraphs] = valuesOf(value, 'paragraphs');
  if (Array.isArray(paragraphs) && paragraphs.some(isObject)) {
    return paragraphs
      .filter(isObject)
      .flatMap((paragraph) => recordOf({ title: textOf(value, 'title'), ...paragraph }, true));
  }
  if (isObject(value['row'])) return recordsIn(value['row'], depth + 1);
  const rows = rowsOfColumns(value);
  if (rows !== null) return rows.flatMap((row) => recordOf(row, true));
  if (isDocument(value)) return recordOf(value, hasField(value, 'question'));
  return membersOf(value).flatMap((member) => recordsIn(member, depth + 1));
}

function recordOf(fields: Fields, shared: boolean): TextRecord[] {
  const text = cleanText(textOf(fields, 'text') ?? '');
  if (!isVisible(text)) return [];
  const title = cleanLine(textOf(fields, 'title') ?? '');
  const key = shared ? undefined : idFields.map((name) => fields[name]).find((one) => one !== undefined);
  const id = typeof key === 'string' || typeof key === 'number' ? cleanLine(String(key)) : '';
  const [questions] = valuesOf(fields, 'questions');
  return [
    {
      id: id === '' ? null : id,
      title: title === '' ? null : title,
      text,
      shared,
      questions: Array.isArray(questions) ? questions.length : hasField(fields, 'question') ? 1 : 0,
    },
  ];
}

/** A text of an article has its digest in its key, so that it does not depend on the other texts of its title. */
function reading(records: TextRecord[]): FileReading {
  if (records.length === 0) {
    return problem(
      'noText',
      'holds no text in a layout that is read',
      'name the field with the text "text", "context" or "passage"',
    );
  }
  const questions = records.reduce((sum, record) => sum + record.questions, 0);
  const seen = new Set<string>();
  const documents = records.flatMap(({ id, title, text, shared }, i): ReadDocument[] => {
    const digest = textDigest(text).slice(0, 8);
    const key = shared
      ? [...(title === null ? [] : [slug(title)]), digest].join('-')
      : slug(id ?? title ?? '') || digest;
    if (shared && seen.has(key)) return [];
    seen.add(key);
    return [{ key, where: `document ${i + 1}`, title, sharesTitle: shared, blocks: plainBlocks(text) }];
  });
  const again = records.length - documents.length;
  return {
    ok: true,
    documents,
    omitted: [
      ...(again === 0 ? [] : [{ what: 'text that was read already', count: again }]),
      ...(questions === 0 ? [] : [{ what: 'question', count: questions }]),
    ],
    warnings: [],
  };
}
