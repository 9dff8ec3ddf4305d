import { QueryNotRegisteredError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import { z } from 'zod';
import { gateIdOf, gateViewSchema, queryNames, shellWord, workflowTypes, type GateView } from '../../contract/index.js';
import { CliError, exitCodes } from '../errors.js';

const gateKind = 'release';
/** A gate that does not answer holds up the list of the others for so long. */
const answerWithinMs = 10_000;

export type GateClient = Pick<Client, 'workflow'>;

/** A gate's own id, from that or from its round's. */
const gateIdFrom = (id: string): string => (id.endsWith(`.gate-${gateKind}`) ? id : gateIdOf(id, gateKind));

/** How the gate stands, by its own word. */
export async function viewGate(client: GateClient, id: string): Promise<GateView> {
  const gateId = gateIdFrom(id);
  let answer: unknown;
  try {
    const handle = client.workflow.getHandle(gateId);
    answer = await client.workflow.withDeadline(Date.now() + answerWithinMs, () => handle.query(queryNames.gates));
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) {
      throw new CliError(
        `there is no gate "${gateId}"; \`npx selkie gate list\` shows the open ones, \`npx selkie round status\` how far a round is`,
        exitCodes.notFound,
      );
    }
    if (error instanceof QueryNotRegisteredError) throw new CliError(`"${gateId}" is no gate`, exitCodes.notFound);
    throw new CliError(
      `the gate "${gateId}" does not answer: ${await whySilent(client, gateId)}`,
      exitCodes.unreachable,
    );
  }
  const view = z.tuple([gateViewSchema]).safeParse(answer);
  if (!view.success) throw new CliError(`the gate "${gateId}" answers in a way that this version does not know`);
  return view.data[0];
}

/** A workflow whose task fails can be told apart from one that nobody works on. */
async function whySilent(client: GateClient, gateId: string): Promise<string> {
  try {
    const { raw } = await client.workflow.getHandle(gateId).describe();
    if ((raw.pendingWorkflowTask?.attempt ?? 1) > 1) {
      return (
        'its workflow task fails and is tried again: see "A round that does not go on" in docs/operating.md, and reset it by ' +
        `\`temporal workflow reset -w ${shellWord(gateId)} --type LastWorkflowTask --reapply-exclude Signal --reason wedged\``
      );
    }
  } catch {
    return 'the server does not say why';
  }
  return 'is a worker running?';
}

/** An open gate, or why it says nothing. */
export type Listed = { gate: GateView } | { gateId: string; problem: string };

/** The open gates. One that does not answer hides no other. */
export async function openGates(client: GateClient): Promise<Listed[]> {
  const listed: Promise<Listed>[] = [];
  const query = `WorkflowType = '${workflowTypes.gate}' AND ExecutionStatus = 'Running'`;
  for await (const { workflowId } of client.workflow.list({ query })) listed.push(look(client, workflowId));
  return Promise.all(listed);
}

async function look(client: GateClient, gateId: string): Promise<Listed> {
  try {
    return { gate: await viewGate(client, gateId) };
  } catch (error) {
    return { gateId, problem: error instanceof Error ? error.message : String(error) };
  }
}
