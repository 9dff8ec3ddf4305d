import { WorkflowFailedError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import {
  queryNames,
  roundResultSchema,
  roundStatusSchema,
  workflowTypes,
  type RoundResult,
  type RoundStatus,
} from '../contract/index.js';
import { CliError, exitCodes } from './errors.js';

/** A round as the server sees it, with what the round says of itself. */
export interface RoundView {
  roundId: string;
  /** RUNNING, COMPLETED, FAILED, CANCELLED, TERMINATED, … */
  execution: string;
  /** null while no worker answers the query */
  status: RoundStatus | null;
  result: RoundResult | null;
  /** why it failed, in words */
  failure: string | null;
}

/** Everything about one round; `RoundView.result` once it is completed. */
export async function viewRound(client: Client, roundId: string): Promise<RoundView> {
  const handle = client.workflow.getHandle(roundId);
  const { type, status: execution } = await handle.describe().catch((error: unknown) => {
    if (error instanceof WorkflowNotFoundError)
      throw new CliError(`there is no round "${roundId}"`, exitCodes.notFound);
    throw error;
  });
  if (type !== workflowTypes.round) {
    throw new CliError(`"${roundId}" is a ${type}, not a round`, exitCodes.notFound);
  }
  const view: RoundView = { roundId, execution: execution.name, status: null, result: null, failure: null };
  view.status = await queryStatus(client, roundId);
  if (execution.name === 'COMPLETED') {
    const result = roundResultSchema.safeParse(await handle.result());
    if (result.success) view.result = result.data;
    else view.failure = `its result cannot be read: ${result.error.message}`;
  } else if (execution.name !== 'RUNNING') {
    view.failure = await failureOf(() => handle.result());
  }
  return view;
}

/** What the round's `status` query answers; null while no worker does. */
export async function queryStatus(client: Client, roundId: string): Promise<RoundStatus | null> {
  try {
    const answer: unknown = await client.workflow.getHandle(roundId).query(queryNames.status);
    return roundStatusSchema.parse(answer);
  } catch {
    return null;
  }
}

async function failureOf(result: () => Promise<unknown>): Promise<string | null> {
  try {
    await result();
    return null;
  } catch (error) {
    return error instanceof WorkflowFailedError ? causesOf(error.cause ?? error) : String(error);
  }
}

/** The messages of an error and of what caused it, without repetition. */
export function causesOf(error: Error): string {
  const messages: string[] = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (!messages.includes(at.message)) messages.push(at.message);
  }
  return messages.join(': ');
}
