import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { StackError } from './errors.js';
import { layoutOf, type Layout } from './layout.js';
import { readRecord } from './processes/records.js';

/** Where a stack's parts can be reached; null for a part that it does not have. */
const endpointsSchema = z.strictObject({
  temporalAddress: z.string(),
  temporalNamespace: z.string(),
  /** null: a server of one's own */
  temporalUi: z.string().nullable(),
  databaseUrl: z.string(),
  inferenceUrl: z.string(),
  store: z.string(),
  logs: z.string(),
});
export type Endpoints = z.infer<typeof endpointsSchema>;

const stateSchema = endpointsSchema.extend({
  /** the process that started all of it and watches it */
  supervisor: z.int().positive(),
});
export type StackState = z.infer<typeof stateSchema>;

/** The record under which the supervisor itself is known. */
export const supervisorName = 'supervisor';

/** Written when everything is ready; private, because the ledger's address holds its password. */
export function writeState(layout: Layout, state: StackState): void {
  mkdirSync(dirname(layout.state), { recursive: true });
  const unfinished = `${layout.state}.new`;
  writeFileSync(unfinished, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  renameSync(unfinished, layout.state);
}

export const removeState = (layout: Layout): void => rmSync(layout.state, { force: true });

/** The stack that runs under this home and is ready; null when there is none; throws a StackError where its state is broken. */
export function runningStack(layout: Layout = layoutOf()): StackState | null {
  const supervisor = readRecord(layout.pids, supervisorName);
  if (supervisor === null) return null;
  if (!existsSync(layout.state)) return null; // it is still starting
  const state = readState(layout.state);
  if (state === null) {
    throw new StackError(
      `${layout.state} is broken, or of another version, while process ${supervisor.pid} keeps a stack: \`npm run down\`, then \`npm run up\`.`,
    );
  }
  return state.supervisor === supervisor.pid ? state : null;
}

function readState(file: string): StackState | null {
  try {
    return stateSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch {
    return null;
  }
}
