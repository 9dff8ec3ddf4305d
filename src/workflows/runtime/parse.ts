import { ApplicationFailure } from '@temporalio/common';
import type { z } from 'zod';
import type { ErrorType } from '../../contract/index.js';

/** A failure that no retry helps, of a type from the contract's closed list. */
export const fatal = (type: ErrorType, message: string): ApplicationFailure =>
  ApplicationFailure.nonRetryable(message, type);

/** What an activity or a child returned, as its contract says; `InvalidResult` where it does not parse. */
export const parseResult = <S extends z.ZodType>(schema: S, value: unknown, from: string): z.output<S> =>
  parse(schema, value, 'InvalidResult', `the result of ${from} is not what the contract says`);

/** What a child workflow was started with; `InvalidRequest` where it does not parse. */
export const parseInput = <S extends z.ZodType>(schema: S, value: unknown, of: string): z.output<S> =>
  parse(schema, value, 'InvalidRequest', `${of} is started by its parent, with an input that the contract says`);

/** Why a value does not parse, in one line of at most 300 characters. */
export const issuesOf = (error: z.ZodError): string =>
  error.issues
    .map(({ path, message }) => `${path.length === 0 ? 'the value' : path.join('.')}: ${message}`)
    .join('; ')
    .slice(0, 300);

function parse<S extends z.ZodType>(schema: S, value: unknown, type: ErrorType, what: string): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw fatal(type, `${what}: ${issuesOf(parsed.error)}`);
}
