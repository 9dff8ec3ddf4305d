import Papa from 'papaparse';
import { isNameOf, type Field } from './fields.js';
import type { Findings } from './findings.js';
import { parseJson, type Placed } from './json.js';

/** Problems that are listed for one file. */
const listed = 20;

/** What columns hold, in words. */
const columnWords = {
  text: 'the text of the documents (context, passage or text)',
  question: 'the questions (question)',
  answers: 'the answers (answer or answers)',
} as const satisfies Partial<Record<Field, string>>;

/** The rows of a CSV or TSV file by the names in its first line, which must have all that is needed. */
export function tableRows(
  text: string,
  file: string,
  findings: Findings,
  needed: readonly (keyof typeof columnWords)[] = ['text', 'question', 'answers'],
): Placed[] {
  // Excel takes the separator from such a line
  const lines = text.replace(/\r\n?/gu, '\n').replace(/^"?sep=."?\n/iu, '');
  const delimiter = delimiterOf(lines);
  const { rows, broken } = parse(lines, delimiter);
  const [header = [], ...body] = rows;
  const columns = header.map((name) => name.trim());
  const missing = needed.filter((field) => !columns.some((name) => isNameOf(name, field)));
  if (missing.length > 0) {
    const words = missing.map((field) => columnWords[field]).join(', and none with ');
    findings.problem(file, `has no column with ${words}`, 'name the columns in the first line');
    return [];
  }
  if (broken !== null) {
    findings.problem(
      `${file}, row ${broken}`,
      'opens a quotation mark and does not close it',
      'double the marks inside',
    );
    return [];
  }
  const longer = body.flatMap((cells, i) => (cells.length > columns.length ? [i + 1] : []));
  for (const row of longer.slice(0, listed)) {
    const fix = 'put cells with a separator inside in quotation marks';
    findings.problem(`${file}, row ${row}`, `has more cells than the first line names columns`, fix);
  }
  return body.map((cells, i) => ({
    where: `${file}, row ${i + 1}`,
    value: Object.fromEntries(columns.map((name, at) => [name, cellOf(name, cells[at] ?? '')])),
  }));
}

function parse(text: string, delimiter: string): { rows: string[][]; broken: number | null } {
  const options = { delimiter, newline: '\n', skipEmptyLines: 'greedy' } as const;
  const { data, errors } = Papa.parse<string[]>(text, options);
  const quotes = errors.find(({ type }) => type === 'Quotes');
  if (quotes === undefined) return { rows: data, broken: null };
  // many programs write TSV without quotation, so that a mark is only a mark
  if (delimiter === '\t')
    return { rows: Papa.parse<string[]>(text, { ...options, quoteChar: '\0' }).data, broken: null };
  return { rows: data, broken: quotes.row ?? null };
}

/** What separates the names of the first line: spreadsheets of many countries write semicolons, TSV has tabs. */
function delimiterOf(text: string): string {
  const [first = ''] = text.split('\n', 1);
  const names = first.replace(/"[^"]*"/gu, '');
  const counted = [',', ';', '\t', '|'].map((mark) => ({ mark, count: names.split(mark).length }));
  return counted.reduce((best, one) => (one.count > best.count ? one : best)).mark;
}

/** Tables keep lists of answers as JSON, or as Python prints them: `{'text': array(['1911'], dtype=object)}`. */
function cellOf(column: string, cell: string): unknown {
  if (!/^\s*[[{]/u.test(cell) || !(isNameOf(column, 'answers') || isNameOf(column, 'questions'))) return cell;
  const parsed = parseJson(cell.replace(/array\((\[[^\]]*\])(?:,\s*dtype=[\w.<>']+)?\s*\)/gu, '$1'));
  return parsed.ok ? parsed.value : cell;
}
