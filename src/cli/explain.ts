import { isGrpcServiceError, WorkflowNotFoundError } from '@temporalio/client';
import { messageOf } from '../lib/error-message.js';
import { StackError, UnreachableError } from '../stack/index.js';
import { CliError, exitCodes } from './errors.js';

/** What the person at the keyboard is told, and what the process exits with. */
export interface Explained {
  message: string;
  exitCode: number;
}

/** gRPC's status codes. */
const grpc = { invalidArgument: 3, deadline: 4, resourceExhausted: 8, unavailable: 14 } as const;

/** The system's error codes for files, in words; `{path}` is the file. */
const fileProblems: Partial<Record<string, { text: string; exitCode: number }>> = {
  ENOENT: { text: 'there is no {path}', exitCode: exitCodes.notFound },
  ENOTDIR: { text: 'a parent of {path} is not a folder', exitCode: exitCodes.usage },
  EISDIR: { text: '{path} is a folder, and a file is needed', exitCode: exitCodes.usage },
  EEXIST: { text: '{path} is there already', exitCode: exitCodes.failed },
  EACCES: { text: '{path} may not be opened by this user', exitCode: exitCodes.failed },
  EPERM: { text: '{path} may not be opened by this user', exitCode: exitCodes.failed },
  EROFS: { text: '{path} is on a read-only disk', exitCode: exitCodes.failed },
  ENOSPC: { text: 'the disk of {path} is full: free some space', exitCode: exitCodes.failed },
  EDQUOT: { text: 'the quota on the disk of {path} is used up: free some space', exitCode: exitCodes.failed },
  ENAMETOOLONG: { text: '{path} is too long for a file name', exitCode: exitCodes.usage },
  EMFILE: { text: 'too many files are open: raise `ulimit -n`', exitCode: exitCodes.failed },
};

/** Any error as one sentence. An unforeseen one states how to see more of it. */
export function explain(error: unknown): Explained {
  if (error instanceof CliError) return error;
  if (error instanceof UnreachableError) return { message: error.message, exitCode: exitCodes.unreachable };
  if (error instanceof StackError) return { message: error.message, exitCode: exitCodes.failed };
  if (error instanceof WorkflowNotFoundError) {
    return { message: `Temporal knows no workflow "${error.workflowId}"`, exitCode: exitCodes.notFound };
  }
  return ofServer(error) ?? ofFile(error) ?? unforeseen(error);
}

function ofServer(error: unknown): Explained | null {
  const status = causesOf(error).find(isGrpcServiceError);
  if (status === undefined) return null;
  const code: number = status.code;
  const said = status.details === '' ? status.message : status.details;
  if (code === grpc.unavailable || code === grpc.deadline) {
    return { message: `Temporal does not answer (${said}): is it running?`, exitCode: exitCodes.unreachable };
  }
  return {
    message: `Temporal refuses this: ${said}`,
    exitCode: code === grpc.invalidArgument ? exitCodes.usage : exitCodes.failed,
  };
}

function ofFile(error: unknown): Explained | null {
  const { code, path, dest } = error as NodeJS.ErrnoException & { dest?: string };
  const problem = code === undefined ? undefined : fileProblems[code];
  if (!(error instanceof Error) || problem === undefined) return null;
  const named = dest ?? path ?? 'what is written (SELKIE_HOME?)';
  return { message: problem.text.replace('{path}', () => named), exitCode: problem.exitCode };
}

function unforeseen(error: unknown): Explained {
  const [line = ''] = messageOf(error).split('\n');
  const name = error instanceof Error ? error.name : 'error';
  return {
    message: `something unforeseen happened: ${line === '' ? name : line} (SELKIE_DEBUG=1 shows where)`,
    exitCode: exitCodes.failed,
  };
}

function causesOf(error: unknown): unknown[] {
  const causes: unknown[] = [];
  for (let at = error; at instanceof Error && causes.length < 10; at = at.cause) causes.push(at);
  return causes;
}
