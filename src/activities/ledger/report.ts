import canonicalize from 'canonicalize';
import { canonicalDigest, mediaTypes, type ActivityRequest, type ActivityResult } from '../../contract/index.js';
import type { LedgerDeps } from './deps.js';
import { gatherEvidence } from '../../experiment/evidence.js';
import { reportMarkdown } from '../../experiment/markdown.js';
import { reportOf, type RoundReport } from '../../experiment/round-report.js';

/**
 * Writes the round's report as an artifact, and binds the release to it, to the policy and to the data. The first
 * report is kept.
 */
export async function buildReport(
  { ledger, store, domains, design }: LedgerDeps,
  { roundId }: ActivityRequest<'buildReport'>,
): Promise<ActivityResult<'buildReport'>> {
  const written = await ledger.reports.get(roundId);
  if (written !== null) return written;
  const { config } = await ledger.rounds.prepared(roundId);
  const domain = domains.get(config.domain);
  const report = reportOf(await gatherEvidence({ ledger, domain, design }, roundId));
  const artifact = await store.put(mediaTypes.report, {
    'report.json': sortedJson(report),
  });
  const releaseDigest = digestToDecideOn(report, artifact.sha256);
  return ledger.reports.insert(roundId, {
    version: 1,
    report: artifact,
    releaseDigest,
    trials: report.candidates,
    arms: Object.fromEntries(report.arms.map(({ id, mean }) => [id, mean])),
    heldOut: report.heldOut,
    canaries: report.retention.canaries,
    warnings: report.warnings,
    deviceSeconds: report.deviceSeconds.total,
    markdown: reportMarkdown(report, { releaseDigest }),
  });
}

function digestToDecideOn({ round, policy }: RoundReport, reportSha256: string): string {
  const adapter = round.new?.stack.at(-1) ?? null;
  return canonicalDigest({
    policy: adapter === null ? null : { layer: adapter.layer.sha256, served: adapter.served.sha256 },
    report: reportSha256,
    data: { corpus: round.corpusDigest, dataset: policy?.dataset ?? null },
  });
}

/** Pretty JSON with the keys of every object in order, so that equal reports have equal bytes. */
const sortedJson = (value: object): string => `${JSON.stringify(JSON.parse(canonicalize(value) ?? 'null'), null, 2)}\n`;
