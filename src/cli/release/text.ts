import type { ReleaseSummary } from '../../ledger/index.js';
import { safeText } from '../text/safe-text.js';
import { listTable } from '../text/table.js';

/** One release: what it made live, since when, and who let it pass. */
export function releaseText({
  releaseId,
  alias,
  roundId,
  releasedAt,
  digest,
  live,
  decisions,
}: ReleaseSummary): string {
  return [
    `release ${releaseId}: ${safeText(alias)}, ${live ? 'live' : 'replaced'}`,
    `  since     ${releasedAt}`,
    `  round     ${safeText(roundId)}`,
    `  digest    ${digest}`,
    ...decisions.map(
      ({ decision, approver, note }) =>
        `  ${decision.padEnd(9)} ${safeText(approver)}${note === null ? '' : `: ${safeText(note)}`}`,
    ),
  ].join('\n');
}

export function releasesText(releases: readonly ReleaseSummary[]): string {
  if (releases.length === 0) return 'nothing was released yet';
  return listTable(
    ['', 'release', 'alias', 'round', 'released', 'approved by', 'digest'],
    releases.map(({ live, releaseId, alias, roundId, releasedAt, decisions, digest }) => [
      live ? 'live' : '',
      releaseId,
      safeText(alias),
      safeText(roundId),
      releasedAt,
      decisions.map(({ approver }) => safeText(approver)).join(', '),
      digest.slice(0, 12),
    ]),
  );
}
