import { ApplicationFailure } from '@temporalio/common';
import type { z } from 'zod';
import { errorTypes, failure, type ErrorType } from '../contract/index.js';
import { NotInLedger } from '../ledger/index.js';

/** A request that does not parse is refused for good. */
export function parseRequest<S extends z.ZodType>(activity: string, schema: S, request: unknown): z.output<S> {
  const parsed = schema.safeParse(request);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(({ path, message }) => `${path.join('.') || 'the request'}: ${message}`);
  throw failure('InvalidRequest', `${activity}: ${problems.join('; ')}`);
}

/** Errors of the lower folders, which know no Temporal, as what the contract calls them; any other is left to be retried. */
export function asFailure(error: unknown): unknown {
  if (error instanceof ApplicationFailure || !(error instanceof Error)) return error;
  if (error instanceof NotInLedger) return failure('InvalidRequest', error.message, { cause: error });
  return isErrorType(error.name) ? failure(error.name, error.message, { cause: error }) : error;
}

const isErrorType = (name: string): name is ErrorType => Object.hasOwn(errorTypes, name);
