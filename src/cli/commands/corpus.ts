import { Command } from '@commander-js/extra-typings';
import { realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { readCorpus, type CorpusPlace } from '../../activities/corpus/index.js';
import { anywhere } from '../../activities/corpus/roots.js';
import { roundConfigSchema } from '../../contract/index.js';
import { domains } from '../../domains/index.js';
import { repoRoot } from '../../stack/index.js';
import { canRun, corpusText, type CorpusCheck } from '../corpus/text.js';
import { CliError, exitCodes } from '../errors.js';
import { languagesOf } from '../text/languages.js';
import { positive } from '../arguments.js';
import { print } from '../output.js';

const defaults = roundConfigSchema.parse({});

/** What the default model reads at once. */
const defaultLimit = 2048;

const samples = join(repoRoot, 'corpus', 'sample');

/** `selkie corpus check` */
export function corpusCommand(): Command {
  const corpus = new Command('corpus').description('see what a round would make of your documents');
  corpus
    .command('check')
    .description(
      'read a corpus as a round does, and say what is used, left out and wrong; exit code 1 if no round can run',
    )
    .argument('<path>', 'a file or a folder of JSON, JSONL, CSV or TSV; or "sample"')
    .option('--domain <name>', 'what the task is', defaults.domain)
    .option('--limit <tokens>', 'what the model reads at once, the "maxLength" of its entry', positive, defaultLimit)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ npx selkie corpus check sample
  $ npx selkie corpus check handbook/ --limit 4096
  $ npx selkie corpus check train-v2.0.json --json`,
    )
    .action(async (name, { limit, domain, json }) => {
      const check = await checkCorpus(name, { limit, domain });
      print(check, corpusText(check), json);
      if (!canRun(check)) process.exitCode = exitCodes.failed;
    });
  return corpus;
}

/** Reads it as a round of the domain with the default configuration does. */
export async function checkCorpus(
  name: string,
  { limit = defaultLimit, domain: domainName = defaults.domain } = {},
): Promise<CorpusCheck> {
  const { promptStyle, sampling } = defaults;
  const domain = domains.get(domainName);
  const { usable, problems, leftOut, merged, longest } = await readCorpus(await findPlace(name, domain.id), domain, {
    promptStyle,
    maxTokens: sampling.maxTokens,
    limit,
  });
  return {
    documents: usable.length,
    questions: usable.reduce((sum, { items }) => sum + items.length, 0),
    heldOut: usable.filter(({ role }) => role === 'heldOut').length,
    merged,
    leftOut,
    problems,
    languages: languagesOf(usable.map(({ content }) => domain.sourceText(content))),
    longest,
  };
}

/** The command reads with its user's rights: the worker's roots are for rounds. */
async function findPlace(name: string, domain: string): Promise<CorpusPlace> {
  if (name === '') throw new CliError('the path is empty: give a file or a folder, or "sample"', exitCodes.usage);
  const sampleDir = join(samples, domain);
  const path = await realpath(resolve(name)).catch((error: unknown) => {
    if (name === 'sample') return sampleDir;
    throw new CliError(
      `cannot read ${name} (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`,
      exitCodes.notFound,
    );
  });
  return { name, path, within: anywhere, sampleDir };
}
