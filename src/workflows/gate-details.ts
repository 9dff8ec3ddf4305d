import { code, type GateView } from '../contract/index.js';
import { isoTime } from './clock.js';
import { codeBlock, shellWord } from './markdown.js';

const decisionsShown = 10;

/** A gate for people: what is decided, how it stands, and commands to paste. */
export function gateMarkdown({ spec, state, dueAtMs, decisions, malformed }: GateView): string {
  const approvals = decisions.filter(({ counted, decision }) => counted && decision === 'approve').length;
  const who =
    spec.approvers.length === 0
      ? `anybody but ${code(spec.requestedBy)}`
      : spec.approvers.map((a) => code(a)).join(', ');
  const lines = [
    `### Gate ${code(spec.gateId, 300)}: **${state}**`,
    '',
    spec.subject === '' ? '' : `${code(spec.subject, 500)}\n`,
    `- approvals: ${approvals} of ${spec.needed}; a reject is a veto`,
    `- may decide: ${who}`,
    `- due: ${isoTime(dueAtMs)}, then **${spec.onTimeout}**`,
    `- bound to the digest ${code(spec.digest)}`,
    ...decisions
      .slice(-decisionsShown)
      .map(
        (d) =>
          `- ${code(d.approver)} says **${d.decision}**: ${d.counted ? 'counted' : 'of no effect'}, ${code(d.reason)}${d.note === null ? '' : `, note ${code(d.note)}`}`,
      ),
    malformed.length === 0
      ? ''
      : `- malformed messages: ${malformed.length}, the last: ${code(malformed.at(-1)?.reason ?? '')}`,
  ];
  if (state === 'open') lines.push('', howToDecide(spec.gateId, spec.digest));
  return lines.filter((line, i) => line !== '' || lines[i - 1] !== '').join('\n');
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
