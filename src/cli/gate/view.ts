import { QueryNotRegisteredError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import { z } from 'zod';
import { messageOf } from '../../lib/error-message.js';
import { gateIdOf, gateViewSchema, queryNames, workflowTypes, type GateView } from '../../contract/index.js';
import { CliError, exitCodes } from '../errors.js';
import { whySilent } from '../silence.js';

const gateKind = 'release';
/** A gate that does not answer holds up the list of the others for so long. */
const answerWithinMs = 10_000;

export type GateClient = Pick<Client, 'workflow' | 'workflowService' | 'options'>;

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
      `the gate "${gateId}" does not answer: ${await whySilent(client, gateId, error)}`,
      exitCodes.unreachable,
    );
  }
  const view = z.tuple([gateViewSchema]).safeParse(answer);
  if (!view.success) throw new CliError(`the gate "${gateId}" answers in a way that this version does not know`);
  return view.data[0];
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
    return { gateId, problem: messageOf(error) };
  }
}
