import { ServiceError, WorkflowNotFoundError } from '@temporalio/client';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { StackError, UnreachableError } from '../stack/index.js';
import { CliError } from './errors.js';
import { explain } from './explain.js';

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('it did not throw');
}

const grpcError = (code: number, details: string): Error =>
  Object.assign(new Error(`${code} ${details}`), { code, details, metadata: {} });
const fsError = (code: string, path: string): Error => Object.assign(new Error(`${code}: no`), { code, path });

it.each<[string, unknown, string, number]>([
  ['ours', new CliError('no such thing', 4), 'no such thing', 4],
  ['the stack’s', new StackError('a port is taken'), 'a port is taken', 1],
  ['an absent server', new UnreachableError('nothing answers'), 'nothing answers', 3],
  ['a workflow that is not there', new WorkflowNotFoundError('gone', 'x', undefined), 'knows no workflow "x"', 4],
  ['a server that went away', new ServiceError('no', { cause: grpcError(14, 'gone') }), 'Temporal does not answer', 3],
  ['what a server refuses', new ServiceError('no', { cause: grpcError(3, 'id too long') }), 'id too long', 2],
  ['a key without rights', new ServiceError('no', { cause: grpcError(7, 'not you') }), 'refuses this: not you', 1],
  ['a full disk', fsError('ENOSPC', '/d/x'), 'the disk of /d/x is full', 1],
  ['a folder for a file', thrownBy(() => readFileSync(tmpdir())), 'and a file is needed', 2],
  ['no file', thrownBy(() => readFileSync('/none')), 'there is no /none', 4],
  ['a file for a folder', fsError('ENOTDIR', '/a/b'), 'a parent of /a/b is not a folder', 2],
  ['anything else', new TypeError('x is not a function\n  at y'), 'something unforeseen happened: x is not', 1],
  ['no error at all', 'oh', 'something unforeseen happened: oh', 1],
])('%s', (_what, error, message, exitCode) => {
  const explained = explain(error);
  expect(explained.message).toContain(message);
  expect(explained.message).not.toContain('\n');
  expect(explained.exitCode).toBe(exitCode);
});

it('names the file that could not be written', () => {
  const folder = mkdtempSync(join(tmpdir(), 'selkie-explain-'));
  const file = join(folder, 'a', 'b');
  expect(explain(thrownBy(() => writeFileSync(file, ''))).message).toBe(`there is no ${file}`);
  rmSync(folder, { recursive: true });
});
