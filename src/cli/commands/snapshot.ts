import { Command } from '@commander-js/extra-typings';
import { positive } from '../arguments.js';
import { CliError, exitCodes } from '../errors.js';
import { knowledgeBaseName, requireKnowledgeBase } from '../knowledge/base.js';
import { snapshotsText, snapshotText } from '../knowledge/text.js';
import { withLedger } from '../ledger.js';
import { print } from '../output.js';

/** `selkie snapshot list | show` */
export function snapshotCommand(): Command {
  const snapshot = new Command('snapshot').description('see the snapshots of a knowledge base');

  snapshot
    .command('list')
    .description('every snapshot, the newest first')
    .argument('<name>', 'of the knowledge base')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ npx selkie snapshot list handbook')
    .action(async (written, { json }) => {
      const name = knowledgeBaseName(written);
      const snapshots = await withLedger(async (ledger) => {
        await requireKnowledgeBase(ledger, name);
        return ledger.knowledgeBases.snapshots(name);
      });
      print(snapshots, snapshotsText(snapshots), json);
    });

  snapshot
    .command('show')
    .description('one snapshot with its passages; by default the latest')
    .argument('<name>', 'of the knowledge base')
    .argument('[number]', 'of the snapshot', positive)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ npx selkie snapshot show handbook\n  $ npx selkie snapshot show handbook 3 --json',
    )
    .action(async (written, number, { json }) => {
      const name = knowledgeBaseName(written);
      const { found, passages } = await withLedger(async ({ knowledgeBases }) => {
        const one = await (number === undefined
          ? knowledgeBases.latestSnapshot(name)
          : knowledgeBases.snapshot(name, number));
        if (one === null) {
          const what = number === undefined ? 'no snapshot' : `no snapshot ${number}`;
          throw new CliError(
            `there is ${what} of ${written}: \`npx selkie ingest NAME\` takes one`,
            exitCodes.notFound,
          );
        }
        return { found: one, passages: await knowledgeBases.passages(one.snapshotDigest) };
      });
      print({ ...found, passages }, snapshotText(found, passages), json);
    });
  return snapshot;
}
