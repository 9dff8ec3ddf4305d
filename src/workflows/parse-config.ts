import type { ApplicationFailure } from '@temporalio/common';
import {
  campaignConfigProblems,
  campaignConfigSchema,
  parseConfig,
  roundConfigProblems,
  roundConfigSchema,
  type CampaignConfig,
  type RoundConfig,
} from '../contract/index.js';
import { undecodableReason } from '../contract/payload-converter.js';
import { fatal } from './parse.js';

const problemsShown = 50;

/**
 * A round's config from what somebody sent; nothing means `{}`.
 * @throws InvalidConfig with every problem and the valid keys
 */
export function parseRoundConfig(input: unknown): RoundConfig {
  const parsed = parseConfig(roundConfigSchema, decoded(input, 'round'));
  const problems = parsed.ok ? roundConfigProblems(parsed.value) : parsed.problems;
  if (parsed.ok && problems.length === 0) return parsed.value;
  throw invalid('round', problems, Object.keys(roundConfigSchema.shape));
}

/** As {@link parseRoundConfig}, for a campaign and the rounds in it. */
export function parseCampaignConfig(input: unknown): CampaignConfig {
  const parsed = parseConfig(campaignConfigSchema, decoded(input, 'campaign'));
  const problems = parsed.ok ? campaignConfigProblems(parsed.value) : parsed.problems;
  if (parsed.ok && problems.length === 0) return parsed.value;
  throw invalid('campaign', problems, Object.keys(campaignConfigSchema.shape));
}

function decoded(input: unknown, of: string): unknown {
  const reason = undecodableReason(input);
  if (reason === null) return input;
  throw fatal('InvalidConfig', `the ${of}'s input cannot be decoded (send json/plain): ${reason}`);
}

function invalid(of: string, problems: string[], keys: string[]): ApplicationFailure {
  const lines = problems.slice(0, problemsShown).map((problem) => `- ${problem}`);
  return fatal(
    'InvalidConfig',
    [
      `the ${of}'s configuration has ${problems.length} problem${problems.length === 1 ? '' : 's'}:`,
      ...lines,
      `valid keys of a ${of}: ${keys.join(', ')}`,
    ].join('\n'),
  );
}
