import { type GateView } from '../../contract/index.js';
import { shellWord } from '../../lib/shell-word.js';
import { safeText } from '../text/safe-text.js';
import type { Decided } from './decide.js';
import type { FoundGate, Listed } from './view.js';

/** A gate in lines. Names, notes and reasons come from anyone who can send a signal. */
export function gateText(gate: GateView): string {
  const { spec, state, decisions, malformed } = gate;
  return [
    `${safeText(spec.gateId)}: ${state}${gate.reason === '' ? '' : `, ${safeText(gate.reason)}`}`,
    ...(gate.blocked === null ? [] : [`  !         nothing can be released any more: ${safeText(gate.blocked)}`]),
    `  what      ${safeText(spec.subject)}`,
    `  digest    ${spec.digest}`,
    `  needed    ${spec.needed} of ${whoMayDecide(spec)}; there are ${gate.approvals}`,
    ...(state === 'open' ? [`  deadline  ${timeText(gate.dueAtMs)}, then ${spec.onTimeout}`] : []),
    ...decisions.map(
      (d) =>
        `  ${d.decision.padEnd(9)} ${safeText(d.approver)}${d.counted ? '' : ` (not counted: ${safeText(d.reason)})`}${d.note === null ? '' : `: ${safeText(d.note)}`}`,
    ),
    ...(gate.uncounted === 0 ? [] : [`  no effect ${gate.uncounted} decisions`]),
    ...malformed.slice(-3).map((m) => `  no use    ${safeText(m.signal)}: ${safeText(m.reason)}`),
    ...(state === 'open' ? [`  npx selkie gate approve ${shellWord(spec.roundId)} --as NAME`] : []),
  ].join('\n');
}

/** A gate as it was found; one that does not answer is shown as the ledger has it. */
export const foundGateText = ({ gate, silence }: FoundGate): string =>
  silence === null ? gateText(gate) : `${gateText(gate)}\n  !         by the ledger: ${safeText(silence)}`;

export const listText = (listed: readonly Listed[]): string =>
  listed.length === 0
    ? 'no gate is open'
    : listed
        .map((one) => ('gate' in one ? foundGateText(one) : `${safeText(one.gateId)}: ${safeText(one.problem)}`))
        .join('\n\n');

/** What became of a decision: the gate's verdict, then the round's. */
export function decidedText({ view, verdict, release }: Decided): string {
  const lines = [`${verdict.counted ? 'counted' : 'not counted'}: ${safeText(verdict.reason)}`];
  if (release !== null) lines.push(`${release.released ? 'released' : 'not released'}: ${safeText(release.reason)}`);
  else if (view.state === 'open') lines.push(`not released yet: ${view.approvals} of ${view.spec.needed} approvals`);
  return [...lines, gateText(view)].join('\n');
}

function whoMayDecide({ approvers, requestedBy, requesterMayApprove }: GateView['spec']): string {
  if (approvers.length > 0) return approvers.map(safeText).join(', ');
  if (requesterMayApprove) return 'anybody';
  return requestedBy === 'unknown' ? 'anybody (nobody is named as requester)' : `anybody but ${safeText(requestedBy)}`;
}

const timeText = (ms: number): string => new Date(ms).toISOString();
