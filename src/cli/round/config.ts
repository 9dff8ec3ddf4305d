import { existsSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { resolve } from 'node:path';
import { parseConfig, roundConfigProblems, roundConfigSchema, type RoundConfig } from '../../contract/index.js';
import { CliError, exitCodes } from '../errors.js';
import { readTextFile } from '../text/text-file.js';

/**
 * Reads `--config`: a file's name or JSON; throws a CliError that lists every problem.
 *
 * @param as who asks for the round; without it whom the config names, or the user of this machine
 */
export function readRoundConfig(argument?: string, as?: string): RoundConfig {
  let raw = argument === undefined ? {} : parseJson(argument, textOf(argument));
  if (typeof raw === 'object' && raw !== null && !Array.isArray(raw)) {
    raw = as === undefined ? { requestedBy: userName(), ...raw } : { ...raw, requestedBy: as };
  }
  const parsed = parseConfig(roundConfigSchema, raw);
  const problems = parsed.ok ? roundConfigProblems(parsed.value) : parsed.problems;
  if (!parsed.ok || problems.length > 0) {
    throw new CliError(`the round's config has problems:\n  ${problems.join('\n  ')}`, exitCodes.usage);
  }
  return parsed.value;
}

/** What looks like JSON is JSON, also where a file has that name. */
function textOf(argument: string): string {
  if (/^\s*[{["]/.test(argument) || !existsSync(argument)) return argument;
  if (statSync(argument).isDirectory()) {
    throw new CliError(`--config ${argument} is a folder: give a file of it, or JSON`, exitCodes.usage);
  }
  return readTextFile(argument);
}

function parseJson(argument: string, text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    const what = text === argument ? '--config is neither a file nor JSON' : `${argument} is not JSON`;
    throw new CliError(
      `${what} (${(error as Error).message}): give a path, or something like '{"editsPerSource": 2}'`,
      exitCodes.usage,
    );
  }
}

/** Your name on this machine. Undefined, for which the config has a word, where the system knows no name: in some containers. */
export function userName(): string | undefined {
  try {
    return userInfo().username;
  } catch {
    return undefined;
  }
}

/** The corpus as a worker of this machine finds it: from the folder in which one types. */
export function withCorpusFrom(folder: string, config: RoundConfig): RoundConfig {
  if (config.corpus === 'sample') return config;
  const corpus = resolve(folder, config.corpus);
  if (!existsSync(corpus)) {
    throw new CliError(`there is no file or folder ${corpus}, which the config names as corpus`, exitCodes.notFound);
  }
  return { ...config, corpus };
}
