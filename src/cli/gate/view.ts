import { QueryNotRegisteredError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import { z } from 'zod';
import { gateIdOf, gateViewSchema, queryNames, workflowTypes, type GateView } from '../../contract/index.js';
import { messageOf } from '../../lib/error-message.js';
import { CliError, exitCodes } from '../errors.js';
import { whySilent } from '../silence.js';
import type { Sources } from '../sources.js';

const gateKind = 'release';
/** How long a gate that does not answer may hold up the list of the others. */
const answerWithinMs = 10_000;

export type GateClient = Pick<Client, 'workflow' | 'workflowService' | 'options'>;

/** A gate's own id, from that or from its round's. */
const gateIdFrom = (id: string): string => (id.endsWith(`.gate-${gateKind}`) ? id : gateIdOf(id, gateKind));

/** The gate's state, as its workflow reports it. */
export async function viewGate(client: GateClient, id: string): Promise<GateView> {
  const gateId = gateIdFrom(id);
  let answer: unknown;
  try {
    const handle = client.workflow.getHandle(gateId);
    answer = await client.workflow.withDeadline(Date.now() + answerWithinMs, () => handle.query(queryNames.gates));
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) throw noGate(gateId);
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

const noGate = (gateId: string): CliError =>
  new CliError(
    `there is no gate "${gateId}"; \`npx selkie gate list\` shows the open ones, \`npx selkie round status\` how far a round is`,
    exitCodes.notFound,
  );

/** A gate, and why its workflow does not report its state: then the ledger's record is shown. */
export interface FoundGate {
  gate: GateView;
  silence: string | null;
}

/**
 * The state of a gate: from its workflow if it is open and answers, else from the ledger.
 *
 * @throws CliError where neither knows it
 */
export async function findGate({ client, ledger }: Sources, id: string): Promise<FoundGate> {
  const gateId = gateIdFrom(id);
  const recorded = (await ledger?.readModel.gate(gateId)) ?? null;
  if (recorded !== null && recorded.view.state !== 'open') return { gate: recorded.view, silence: null };
  if (client === null) {
    if (recorded === null) throw noGate(gateId);
    return { gate: recorded.view, silence: 'Temporal does not answer' };
  }
  try {
    return { gate: await viewGate(client, gateId), silence: null };
  } catch (error) {
    if (recorded === null || !(error instanceof CliError)) throw error;
    return { gate: recorded.view, silence: error.message };
  }
}

/** An open gate, or why nothing is known of it but its id. */
export type Listed = FoundGate | { gateId: string; problem: string };

/** The open gates, of the ledger and of the server. One that does not answer hides no other. */
export async function openGates(sources: Sources): Promise<Listed[]> {
  const { client, ledger } = sources;
  const recorded = (await ledger?.readModel.openGates()) ?? [];
  const gateIds = new Set(recorded.map(({ view }) => view.spec.gateId));
  const query = `WorkflowType = '${workflowTypes.gate}' AND ExecutionStatus = 'Running'`;
  if (client !== null) for await (const { workflowId } of client.workflow.list({ query })) gateIds.add(workflowId);
  return Promise.all([...gateIds].map((gateId) => look(sources, gateId)));
}

async function look(sources: Sources, gateId: string): Promise<Listed> {
  try {
    return await findGate(sources, gateId);
  } catch (error) {
    return { gateId, problem: messageOf(error) };
  }
}
