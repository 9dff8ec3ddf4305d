import { Command } from '@commander-js/extra-typings';
import { QueryNotRegisteredError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import {
  gateIdOf,
  gateViewSchema,
  queryNames,
  signalNames,
  workflowTypes,
  type DecisionMessage,
  type DecisionRecord,
  type GateView,
} from '../../contract/index.js';
import { recordKey } from '../../governance/gates.js';
import { CliError, exitCodes } from '../errors.js';
import { withSession } from '../connect.js';
import { print } from '../output.js';

const gateKind = 'release';
const effectWithinMs = 15_000;
const pollMs = 300;

/** `selkie gate list | show | approve | reject` */
export function gateCommand(): Command {
  const gate = new Command('gate').description('see what waits for a decision, and decide');

  gate
    .command('list')
    .description('the open gates')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ npx selkie gate list')
    .action(({ json }) =>
      withSession(async ({ client }) => {
        const gates = await openGates(client);
        print(gates, gates.length === 0 ? 'no gate is open' : gates.map(gateText).join('\n\n'), json);
      }),
    );

  gate
    .command('show')
    .description('one gate: what is decided, by whom, until when')
    .argument('<id>', 'the id of the gate or of its round')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ npx selkie gate show demo.monday')
    .action((id, { json }) =>
      withSession(async ({ client }) => {
        const view = await viewGate(client, id);
        print(view, gateText(view), json);
      }),
    );

  for (const decision of [signalNames.approve, signalNames.reject] as const) {
    gate
      .command(decision)
      .description(decision === 'approve' ? 'let the policy be released' : 'keep the policy back; one reject is a veto')
      .argument('<id>', 'the id of the gate or of its round')
      .requiredOption('--as <name>', 'who decides')
      .option('--note <text>', 'why')
      .option('--digest <sha256>', 'decide only if this is what the gate is about')
      .option('--json', 'print JSON')
      .addHelpText(
        'after',
        `\nExample:\n  $ npx selkie gate ${decision} demo.monday --as alice --note "read the report"`,
      )
      .action((id, { as, note, digest, json }) =>
        withSession(async ({ client }) => {
          const { view, verdict } = await decide(client, id, { decision, approver: as, note, digest });
          print(view, `${verdict.counted ? 'counted' : 'not counted'}: ${verdict.reason}\n${gateText(view)}`, json);
          if (!verdict.counted) process.exitCode = exitCodes.failed;
        }),
      );
  }
  return gate;
}

/** A gate's own id, from that or from its round's. */
const gateIdFrom = (id: string): string => (id.endsWith(`.gate-${gateKind}`) ? id : gateIdOf(id, gateKind));

async function openGates(client: Client): Promise<GateView[]> {
  const views: GateView[] = [];
  const query = `WorkflowType = '${workflowTypes.gate}' AND ExecutionStatus = 'Running'`;
  for await (const { workflowId } of client.workflow.list({ query })) views.push(await viewGate(client, workflowId));
  return views;
}

/** How the gate stands, by its own word. */
export async function viewGate(client: Pick<Client, 'workflow'>, id: string): Promise<GateView> {
  const gateId = gateIdFrom(id);
  let answer: unknown;
  try {
    answer = await client.workflow.getHandle(gateId).query(queryNames.gates);
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) {
      throw new CliError(
        `there is no gate "${gateId}"; \`npx selkie gate list\` shows the open ones, \`npx selkie round status\` how far a round is`,
        exitCodes.notFound,
      );
    }
    if (error instanceof QueryNotRegisteredError) throw new CliError(`"${gateId}" is no gate`, exitCodes.notFound);
    throw new CliError(`the gate "${gateId}" does not answer: is a worker running?`, exitCodes.unreachable);
  }
  const view = z.tuple([gateViewSchema]).safeParse(answer);
  if (!view.success) throw new CliError(`the gate "${gateId}" answers in a way that this version does not know`);
  return view.data[0];
}

interface Choice {
  decision: 'approve' | 'reject';
  approver: string;
  note: string | undefined;
  digest: string | undefined;
}

/** Sends the decision and waits until the gate has judged it. */
export async function decide(
  client: Pick<Client, 'workflow'>,
  id: string,
  choice: Choice,
): Promise<{ view: GateView; verdict: DecisionRecord }> {
  const { spec, state } = await viewGate(client, id);
  if (state !== 'open') throw new CliError(`the gate is closed: ${state}`);
  if (choice.digest !== undefined && choice.digest !== spec.digest) {
    throw new CliError(`the gate is about ${spec.digest}, not about ${choice.digest}: nothing was sent`);
  }
  const message: DecisionMessage = {
    gateId: spec.gateId,
    digest: spec.digest,
    decision: choice.decision,
    approver: choice.approver,
    key: randomUUID(),
    ...(choice.note === undefined ? {} : { note: choice.note }),
  };
  await client.workflow.getHandle(spec.gateId).signal(signalNames[choice.decision], message);
  const key = recordKey(spec, choice.decision, message);
  const untilMs = Date.now() + effectWithinMs;
  for (;;) {
    const view = await viewGate(client, spec.gateId);
    const verdict = view.decisions.find((record) => record.key === key);
    if (verdict !== undefined) return { view, verdict };
    if (Date.now() >= untilMs) throw new CliError('the decision was sent, and the gate has not judged it yet');
    await sleep(pollMs);
  }
}

function gateText({ spec, state, dueAtMs, decisions, malformed }: GateView): string {
  const who = spec.approvers.length === 0 ? `anybody but ${spec.requestedBy}` : spec.approvers.join(', ');
  return [
    `${spec.gateId}: ${state}`,
    `  what      ${spec.subject}`,
    `  digest    ${spec.digest}`,
    `  needed    ${spec.needed} of ${who}`,
    `  deadline  ${new Date(dueAtMs).toISOString()}, then ${spec.onTimeout}`,
    ...decisions.map(
      (d) =>
        `  ${d.decision.padEnd(9)} ${d.approver}${d.counted ? '' : ` (not counted: ${d.reason})`}${d.note === null ? '' : `: ${d.note}`}`,
    ),
    ...malformed.slice(-3).map((m) => `  no use    ${m.signal}: ${m.reason}`),
    ...(state === 'open' ? [`  npx selkie gate approve ${spec.roundId} --as NAME`] : []),
  ].join('\n');
}
