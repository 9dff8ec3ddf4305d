import { Command } from '@commander-js/extra-typings';
import { positive } from '../arguments.js';
import { CliError, exitCodes } from '../errors.js';
import { withLedger } from '../ledger.js';
import { print } from '../output.js';
import { releasesText, releaseText } from '../release/text.js';

/** `selkie release list | show` */
export function releaseCommand(): Command {
  const release = new Command('release').description('see what was released, and what is live');

  release
    .command('list')
    .description('every release, the newest first; one of each alias is live')
    .option('--alias <alias>', 'only those of this alias')
    .option('--live', 'only what is live')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ npx selkie release list\n  $ npx selkie release list --live --json')
    .action(async ({ alias, live, json }) => {
      const all = await withLedger((ledger) => ledger.readModel.releases(alias));
      const releases = live === true ? all.filter((one) => one.live) : all;
      print(releases, releasesText(releases), json);
    });

  release
    .command('show')
    .description('one release: its round, since when, and by which decisions')
    .argument('<number>', 'of the release', positive)
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ npx selkie release show 3')
    .action(async (number, { json }) => {
      const found = await withLedger((ledger) => ledger.readModel.release(number));
      if (found === null) {
        throw new CliError(`there is no release ${number}: \`npx selkie release list\` shows them`, exitCodes.notFound);
      }
      print(found, releaseText(found), json);
    });
  return release;
}
