import { Command } from '@commander-js/extra-typings';
import { exitCodes } from '../errors.js';
import { knowledgeBaseName, requireKnowledgeBase } from '../knowledge/base.js';
import { ingestKnowledgeBase } from '../knowledge/ingest.js';
import { ingestText } from '../knowledge/text.js';
import { withLedger } from '../ledger.js';
import { print } from '../output.js';

/** `selkie ingest` */
export function ingestCommand(): Command<[string]> {
  return new Command('ingest')
    .description('read a knowledge base, show what each file gives and what changed, and take a snapshot')
    .argument('<name>', 'NAME or TENANT/NAME, as `selkie init` made it')
    .option('--dry-run', 'show it, and take no snapshot')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Exit code 1: there is a problem, and no snapshot is taken. A file that gives nothing is no problem; it is listed.

Examples:
  $ npx selkie ingest handbook --dry-run
  $ npx selkie ingest handbook
  $ npx selkie ingest acme/handbook --json`,
    )
    .action(async (written, { dryRun, json }) => {
      const name = knowledgeBaseName(written);
      const result = await withLedger(async (ledger) => {
        const { definition } = await requireKnowledgeBase(ledger, name);
        return ingestKnowledgeBase(ledger, name, definition, dryRun === true);
      });
      print(result, ingestText(result, dryRun === true), json);
      if (result.problems.length > 0) process.exitCode = exitCodes.failed;
    });
}
