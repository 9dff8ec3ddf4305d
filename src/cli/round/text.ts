import { roundDesign } from '../../experiment/round-design.js';
import type { RoundResult, RoundStatus } from '../../contract/index.js';
import { percent, seconds, signed } from '../../lib/format.js';
import { countsText } from '../output.js';
import { safeText } from '../text/safe-text.js';
import type { RoundView } from './view.js';

/**
 * One line: stage, trials, outcomes, best reward.
 * @param doing what the trials under way do at this moment, in words
 */
export function statusLine(status: RoundStatus, doing = ''): string {
  const { stage, trials, bestReward, selected, paused, stopping, gateId } = status;
  return [
    `${stage}${stopping ? ' (stopping)' : paused ? ' (paused)' : ''}`,
    ...(trials.planned > 0 ? [`trials ${trials.done}/${trials.planned} (${countsText(trials.outcomes)})`] : []),
    ...(doing === '' ? [] : [doing]),
    ...(bestReward === null ? [] : [`best reward ${signed(bestReward)}`]),
    ...(selected === null ? [] : [`${selected} selected`]),
    ...(stage === 'gate' && gateId !== null ? [`waits at ${gateId}`] : []),
  ].join(' · ');
}

/** A finished round in a few lines. */
export function resultText(result: RoundResult): string {
  const { trials, selected, policy, heldOut, canaries, warnings, arms, released, releaseReason, deviceSeconds } =
    result;
  return [
    `edits           ${countsText(trials)}`,
    `selected        ${selected}${policy === null ? ', no policy trained' : `, policy trained on ${policy.pairs} pairs`}`,
    `questions B     ${armsText(arms)}`,
    `held-out        ${percent(heldOut.before)} before, ${percent(heldOut.after)} after (${heldOut.sources} sources, ${heldOut.questions} questions)`,
    `canaries        ${canaries.rightBefore} of ${canaries.asked} right before, ${canaries.rightAfter ?? '–'} after, ${canaries.lost ?? '–'} lost`,
    ...warnings.map((warning) => `warning         ${warning}`),
    `released        ${released ? 'yes' : 'no'}: ${releaseReason}`,
    `device          ${seconds(deviceSeconds)}`,
  ].join('\n');
}

/** A round for `round status`. */
export function viewText({ roundId, execution, status, silence, result, failure }: RoundView): string {
  const lines = [`${safeText(roundId)}: ${execution.toLowerCase()}`];
  if (result !== null) lines.push(resultText(result));
  else if (status !== null) lines.push(statusLine(status), `device          ${seconds(status.deviceSeconds)}`);
  else if (silence !== null) lines.push(silence);
  if (failure !== null) lines.push(`because         ${failure}`);
  for (const { signal, reason } of status?.rejectedMessages.slice(-3) ?? []) {
    lines.push(`a "${safeText(signal)}" was of no use: ${safeText(reason)}`);
  }
  return lines.join('\n');
}

/** The design's arms in its order, then those that a later version added, by their ids. */
function armsText(arms: RoundResult['arms']): string {
  const known = roundDesign.arms.map(({ id, label }) => ({ id, label }));
  const ids = new Set(known.map(({ id }) => id));
  const others = Object.keys(arms).filter((id) => !ids.has(id));
  return [...known, ...others.map((id) => ({ id, label: safeText(id) }))]
    .map(({ id, label }) => `${label} ${percent(arms[id] ?? null)}`)
    .join(', ');
}
