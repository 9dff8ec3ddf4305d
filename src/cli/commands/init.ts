import { Command } from '@commander-js/extra-typings';
import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pageUrl } from '../../activities/ingest/pages.js';
import { canonicalDigest, knowledgeBaseSchema, type KnowledgeBase } from '../../contract/index.js';
import { positive } from '../arguments.js';
import { CliError, exitCodes } from '../errors.js';
import { knowledgeBaseName } from '../knowledge/base.js';
import { knowledgeBaseText } from '../knowledge/text.js';
import { withLedger } from '../ledger.js';
import { print } from '../output.js';
import { userName } from '../round/config.js';

/** `selkie init` */
export function initCommand(): Command<[string, string, string[]]> {
  return new Command('init')
    .description('make a knowledge base of files, folders and web pages; again with other sources: its next version')
    .argument('<name>', 'NAME or TENANT/NAME, in lower-case letters, digits and dashes')
    .argument('<path>', 'a file, a folder or an http(s) address')
    .argument('[more...]', 'further ones')
    .option('--include <globs...>', 'read only these paths below a folder')
    .option('--exclude <globs...>', 'read no such paths')
    .option('--max-tokens <n>', 'tokens of a passage at most (estimated)', positive)
    .option('--heading-depth <n>', 'the lowest heading that begins a passage', positive)
    .option('--max-file-bytes <n>', 'read no larger file', positive)
    .option('--max-files <n>', 'refuse more files', positive)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Nothing is read yet: \`npx selkie ingest NAME\` does that.

Examples:
  $ npx selkie init handbook docs/
  $ npx selkie init acme/handbook docs/ --include "**/*.md" --exclude "drafts/**"
  $ npx selkie init site https://example.com/guide.html https://example.com/faq.html`,
    )
    .action(async (written, path, more, options) => {
      const { include, exclude, maxTokens, headingDepth, maxFileBytes, maxFiles, json } = options;
      const base = knowledgeBaseName(written);
      const definition = parseDefinition({
        sources: await Promise.all([path, ...more].map(findSource)),
        include,
        exclude,
        cut: { maxTokens, headingDepth },
        maxFileBytes,
        maxFiles,
      });
      const setBy = userName() ?? 'unknown';
      const stored = await withLedger(async ({ knowledgeBases }) => {
        const latest = await knowledgeBases.latest(base);
        if (latest !== null && canonicalDigest(latest.definition) === canonicalDigest(definition)) return latest;
        const version = (latest?.version ?? 0) + 1;
        const { written: isWritten, stored: current } = await knowledgeBases.set({
          ...base,
          version,
          definition,
          setBy,
        });
        if (isWritten) return current;
        throw new CliError(`${written} was changed by ${current.setBy} at the same time: look, and try again`);
      });
      print(stored, `${knowledgeBaseText(stored)}\n\nNext: npx selkie ingest ${written}`, json);
    });
}

/** A worker may run in another folder: paths are kept whole. */
async function findSource(source: string): Promise<string> {
  if (source.trim() === '') throw new CliError('a path is empty', exitCodes.usage);
  const url = pageUrl(source);
  if (url !== null) return url.href;
  if (/^[a-z]+:\/\//iu.test(source)) {
    throw new CliError(`${source}: only http and https addresses are read`, exitCodes.usage);
  }
  return realpath(resolve(source));
}

function parseDefinition(definition: object): KnowledgeBase {
  const parsed = knowledgeBaseSchema.safeParse(definition);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new CliError(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is wrong'}`, exitCodes.usage);
}
