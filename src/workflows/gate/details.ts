import { type GateView } from '../../contract/index.js';
import { code } from '../../lib/markdown.js';
import { shellWord } from '../../lib/shell-word.js';
import { isoTime } from '../runtime/clock.js';
import { codeBlock } from '../runtime/markdown.js';

const decisionsShown = 10;

/** A gate for people: what is decided, its state, and commands to paste. */
export function gateMarkdown(gate: GateView): string {
  const { spec, state, dueAtMs, decisions, malformed } = gate;
  const lines = [
    `### Gate ${code(spec.gateId, 300)}: **${state}**`,
    '',
    spec.subject === '' ? '' : `${code(spec.subject, 500)}\n`,
    gate.blocked === null ? '' : `**Nothing can be released any more:** ${code(gate.blocked, 500)}\n`,
    `- approvals: ${gate.approvals} of ${spec.needed}; a reject is a veto`,
    `- may decide: ${whoMayDecide(spec)}`,
    state === 'open'
      ? `- due: ${isoTime(dueAtMs)}, then **${spec.onTimeout}**`
      : `- ended: ${code(gate.reason === '' ? state : gate.reason, 300)}`,
    `- bound to the digest ${code(spec.digest)}`,
    ...decisions
      .slice(-decisionsShown)
      .map(
        (d) =>
          `- ${code(d.approver)} says **${d.decision}**: ${d.counted ? 'counted' : 'of no effect'}, ${code(d.reason)}${d.note === null ? '' : `, note ${code(d.note)}`}`,
      ),
    gate.uncounted === 0 ? '' : `- decisions of no effect: ${gate.uncounted}`,
    gate.malformedCount === 0
      ? ''
      : `- malformed messages: ${gate.malformedCount}, the last: ${code(malformed.at(-1)?.reason ?? '')}`,
  ];
  if (state === 'open') lines.push('', howToDecide(spec.gateId, spec.digest));
  return lines.filter((line, i) => line !== '' || lines[i - 1] !== '').join('\n');
}

function whoMayDecide({ approvers, requestedBy, requesterMayApprove }: GateView['spec']): string {
  if (approvers.length > 0) return approvers.map((name) => code(name)).join(', ');
  if (requesterMayApprove) return 'anybody';
  return requestedBy === 'unknown' ? 'anybody: nobody is named as requester' : `anybody but ${code(requestedBy)}`;
}

function howToDecide(gateId: string, digest: string): string {
  const message = JSON.stringify({ gateId, digest, approver: 'YOUR-NAME' });
  const target = `-w ${shellWord(gateId)}`;
  return [
    'Web UI: *More actions → Send a Signal*, name `approve` (or `reject`), encoding `json/plain`, input:',
    codeBlock(message),
    'Command line, `approve` or `reject`:',
    codeBlock(
      [
        `temporal workflow signal ${target} --name approve -i ${shellWord(message)}`,
        `tctl workflow signal ${target} -n approve -i ${shellWord(message)}`,
      ].join('\n'),
    ),
  ].join('\n\n');
}
