import { hasField, isObject, textOf, valuesOf } from './fields.js';

type Row = Record<string, unknown>;

/**
 * The rows of a table that was written column by column: `{ context: [], question: [] }` of datasets, `{ context: { "0": … } }`
 * and `{ columns: [], data: [[]] }` of pandas. Null where it is none.
 */
export function rowsOfColumns(value: Row): Row[] | null {
  const { columns, data } = value;
  if (isListOf(columns, isString) && isListOf(data, (row) => Array.isArray(row))) {
    return data.map((row) => Object.fromEntries(columns.map((name, i) => [name, row[i]])));
  }
  const lengths = (['text', 'question'] as const).map((field) => cellsOf(valuesOf(value, field)[0])?.length);
  if (lengths[0] === undefined || lengths[0] !== lengths[1]) return null;
  const columnsOf = Object.entries(value).flatMap(([name, column]) => {
    const cells = cellsOf(column);
    return cells !== undefined && cells.length === lengths[0] ? [{ name, cells }] : [];
  });
  return Array.from({ length: lengths[0] }, (_, i) =>
    Object.fromEntries(columnsOf.map(({ name, cells }) => [name, cells[i]])),
  );
}

/** The parts of a value that may hold documents: `data` or `rows` if it has them, else everything nested in it. */
export function membersOf(value: Row): unknown[] {
  const known = [value['data'], value['rows']].find((one) => Array.isArray(one));
  return known === undefined ? Object.values(value).filter((one) => Array.isArray(one) || isObject(one)) : [known];
}

/** Whether it is a document itself, and no list of documents: it has a text, or questions whose entries have none. */
export function isDocument(value: Row): boolean {
  if (textOf(value, 'text') !== null || textOf(value, 'question') !== null) return true;
  const [questions] = valuesOf(value, 'questions');
  return (
    Array.isArray(questions) && questions.length > 0 && !questions.some((one) => isObject(one) && hasField(one, 'text'))
  );
}

function cellsOf(column: unknown): unknown[] | undefined {
  if (Array.isArray(column)) return column as unknown[];
  return isObject(column) ? Object.values(column) : undefined;
}

const isString = (value: unknown): value is string => typeof value === 'string';

const isListOf = <T>(value: unknown, is: (one: unknown) => one is T): value is T[] =>
  Array.isArray(value) && value.length > 0 && value.every(is);
