import { ApplicationFailure } from '@temporalio/common';
import type { z } from 'zod';
import {
  campaignConfigProblems,
  campaignConfigSchema,
  idProblem,
  parseConfig,
  roundConfigProblems,
  roundConfigSchema,
  tolerant,
  type CampaignConfig,
  type ErrorType,
  type RoundConfig,
} from '../../contract/index.js';
import { undecodableReason } from '../../contract/payload-converter.js';
import { hasMoreParts } from '../../lib/size.js';

/** A failure that no retry helps, of a type from the contract's closed list. */
export const fatal = (type: ErrorType, message: string): ApplicationFailure =>
  ApplicationFailure.nonRetryable(message, type);

/**
 * What an activity or a child returned, as its contract states, without fields that only a newer worker knows;
 * `InvalidResult` where it does not parse.
 */
export const parseResult = <S extends z.ZodType>(schema: S, value: unknown, from: string): z.output<S> =>
  parse(tolerant(schema), value, 'InvalidResult', `the result of ${from} is not what the contract says`);

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

/** A campaign carries the ids of its rounds; more than that is no config. */
const mostParts = 20_000;
const problemsShown = 50;
/** A key may be as long as an input may be, and a failure may not. */
const longestProblem = 300;

/**
 * A round's config from the input that was sent, under the id that was chosen; no input means `{}`.
 * @throws InvalidConfig with every problem and the valid keys
 */
export function parseRoundConfig(input: unknown, roundId: string): RoundConfig {
  refuseId(roundId, 'round');
  const parsed = parseConfig(roundConfigSchema, decoded(input, 'round'));
  const problems = parsed.ok ? roundConfigProblems(parsed.value) : parsed.problems;
  if (parsed.ok && problems.length === 0) return parsed.value;
  throw invalid('round', problems, Object.keys(roundConfigSchema.shape));
}

/** As {@link parseRoundConfig}, for a campaign and the rounds in it. */
export function parseCampaignConfig(input: unknown, campaignId: string): CampaignConfig {
  refuseId(campaignId, 'campaign');
  const parsed = parseConfig(campaignConfigSchema, decoded(input, 'campaign'));
  const problems = parsed.ok ? campaignConfigProblems(parsed.value) : parsed.problems;
  if (parsed.ok && problems.length === 0) return parsed.value;
  throw invalid('campaign', problems, Object.keys(campaignConfigSchema.shape));
}

function refuseId(id: string, of: 'round' | 'campaign'): void {
  const problem = idProblem(id, of);
  if (problem !== null) throw fatal('InvalidConfig', problem);
}

function decoded(input: unknown, of: string): unknown {
  const reason = undecodableReason(input);
  if (hasMoreParts(input, mostParts))
    throw fatal('InvalidConfig', `the ${of}'s input has more than ${mostParts} parts`);
  if (reason === null) return input;
  throw fatal('InvalidConfig', `the ${of}'s input cannot be decoded (send json/plain): ${reason}`);
}

function invalid(of: string, problems: string[], keys: string[]): ApplicationFailure {
  const lines = problems.slice(0, problemsShown).map((problem) => `- ${problem.slice(0, longestProblem)}`);
  return fatal(
    'InvalidConfig',
    [
      `the ${of}'s configuration has ${problems.length} problem${problems.length === 1 ? '' : 's'}:`,
      ...lines,
      // the message about an unknown key lists them already
      ...(problems.some((problem) => problem.startsWith('unknown key'))
        ? []
        : [`valid keys of a ${of}: ${keys.join(', ')}`]),
    ].join('\n'),
  );
}
