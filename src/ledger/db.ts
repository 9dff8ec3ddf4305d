import type pg from 'pg';
import type { z } from 'zod';
import { asOutage } from './outage.js';

/** A pool, or the one client of a transaction. */
export type Db = Pick<pg.ClientBase, 'query'>;

export type SqlValue = string | number | boolean | null | string[];

/** Every row of a query, parsed on the way out: what the ledger holds is checked as any other input is. */
export async function rows<S extends z.ZodType>(
  db: Db,
  schema: S,
  sql: string,
  values: SqlValue[] = [],
): Promise<z.output<S>[]> {
  const result = await ask(db, sql, values);
  return result.rows.map((row) => schema.parse(row));
}

/** The only row, or null. */
export async function maybeRow<S extends z.ZodType>(
  db: Db,
  schema: S,
  sql: string,
  values: SqlValue[] = [],
): Promise<z.output<S> | null> {
  return (await rows(db, schema, sql, values))[0] ?? null;
}

/** The only row; `what` is named where there is none. */
export async function row<S extends z.ZodType>(
  db: Db,
  schema: S,
  what: string,
  sql: string,
  values: SqlValue[] = [],
): Promise<z.output<S>> {
  const found = await maybeRow(db, schema, sql, values);
  if (found === null) throw new NotInLedger(what);
  return found;
}

/** Runs a statement for its effect; how many rows it touched. */
export async function run(db: Db, sql: string, values: SqlValue[] = []): Promise<number> {
  return (await ask(db, sql, values)).rowCount ?? 0;
}

/** @throws LedgerUnavailable where the server is away */
async function ask(db: Db, sql: string, values: SqlValue[]): Promise<pg.QueryResult<Record<string, unknown>>> {
  try {
    return await db.query<Record<string, unknown>>(sql, values.map(storable));
  } catch (error) {
    throw asOutage(error);
  }
}

/** A value for a `jsonb` parameter; null stays SQL's null. */
export const json = (value: unknown): string | null =>
  value === null || value === undefined
    ? null
    : JSON.stringify(value, (_key, part: unknown) => (typeof part === 'string' ? storableText(part) : part));

/** A caller asked for a row that does not exist. */
export class NotInLedger extends Error {
  override readonly name = 'NotInLedger';
  constructor(what: string) {
    super(`the ledger has no ${what}`);
  }
}

// Postgres holds neither U+0000 nor half a surrogate pair, and a sampled completion may have both.
const storableText = (text: string): string => text.replace(/[\0\p{Surrogate}]/gu, '\uFFFD');
const storable = (value: SqlValue): SqlValue => (typeof value === 'string' ? storableText(value) : value);
