import type { ReleaseSummary, RoundSummary } from '../../ledger/index.js';
import { CliError, exitCodes } from '../errors.js';
import { findGate, type FoundGate } from '../gate/view.js';
import { foundGateText } from '../gate/text.js';
import { countsText } from '../output.js';
import { releaseText } from '../release/text.js';
import type { Sources } from '../sources.js';
import { safeText } from '../text/safe-text.js';

/** A round with its gate and its release, as the ledger has them. */
export interface ShownRound extends RoundSummary {
  gate: FoundGate | null;
  release: ReleaseSummary | null;
}

/**
 * Everything recorded of a round; its gate as the gate's workflow reports it, where that answers.
 *
 * @throws CliError where the ledger has no such round
 */
export async function showRound(sources: Sources, roundId: string): Promise<ShownRound> {
  const { ledger } = sources;
  if (ledger === null) {
    throw new CliError(
      'no ledger answers here, and rounds are shown from it: `npx selkie round status` asks the round itself',
      exitCodes.unreachable,
    );
  }
  const round = await ledger.readModel.round(roundId);
  if (round === null) {
    throw new CliError(
      `the ledger has no round "${roundId}": \`npx selkie round list\` shows them`,
      exitCodes.notFound,
    );
  }
  const gate = round.gateId === null ? null : await findGate(sources, round.gateId);
  const release = round.releaseId === null ? null : await ledger.readModel.release(round.releaseId);
  return { ...round, gate, release };
}

export function shownText({
  roundId,
  status,
  stage,
  reason,
  trials,
  startedAt,
  closedAt,
  gate,
  release,
}: ShownRound): string {
  return [
    `${safeText(roundId)}: ${status}${status === 'running' ? ` (${stage})` : stage === 'done' ? '' : `, at ${stage}`}`,
    `  started   ${startedAt}${closedAt === null ? '' : `, ended ${closedAt}`}`,
    `  trials    ${trials.recorded} of ${trials.planned} (${countsText(trials.outcomes)})`,
    ...(reason === '' ? [] : [`  because   ${safeText(reason)}`]),
    ...(gate === null ? [] : [foundGateText(gate)]),
    ...(release === null ? [] : [releaseText(release)]),
  ].join('\n');
}
