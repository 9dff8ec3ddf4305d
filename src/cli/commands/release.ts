import { Command } from '@commander-js/extra-typings';
import type { ListedRelease } from '../../ledger/index.js';
import { withLedger } from '../ledger.js';
import { print } from '../output.js';
import { safeText } from '../text/safe-text.js';
import { listTable } from '../text/table.js';

/** `selkie release list` */
export function releaseCommand(): Command {
  const release = new Command('release').description('see what was released, and what is live');

  release
    .command('list')
    .description('every release, the newest first; one of each alias is live')
    .option('--alias <alias>', 'only those of this alias')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ npx selkie release list\n  $ npx selkie release list --json')
    .action(async ({ alias, json }) => {
      const releases = await withLedger((ledger) => ledger.releases.list(alias));
      print(releases, releasesText(releases), json);
    });
  return release;
}

function releasesText(releases: ListedRelease[]): string {
  if (releases.length === 0) return 'nothing was released yet';
  return listTable(
    ['', 'release', 'alias', 'round', 'released', 'digest'],
    releases.map(({ live, releaseId, alias, roundId, releasedAt, digest }) => [
      live ? 'live' : '',
      releaseId,
      safeText(alias),
      safeText(roundId),
      releasedAt,
      digest.slice(0, 12),
    ]),
  );
}
