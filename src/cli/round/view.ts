import { WorkflowFailedError, WorkflowNotFoundError, type Client } from '@temporalio/client';
import {
  queryNames,
  roundResultSchema,
  roundStatusSchema,
  workflowTypes,
  type RoundResult,
  type RoundStatus,
} from '../../contract/index.js';
import { CliError, exitCodes } from '../errors.js';
import { whySilent } from '../silence.js';

/** A round as the server sees it, with what its workflow reports. */
export interface RoundView {
  roundId: string;
  /** RUNNING, COMPLETED, FAILED, CANCELLED, TERMINATED, … */
  execution: string;
  /** null while nothing answers the query; `silence` is the reason */
  status: RoundStatus | null;
  silence: string | null;
  /** of the stage under way; `result.trials` counts those of all stages */
  stageTrials: RoundStatus['trials'] | null;
  result: RoundResult | null;
  /** null until it is decided */
  released: boolean | null;
  /** why it failed, in words */
  failure: string | null;
}

/** Everything about one round; `RoundView.result` once it is completed. */
export async function viewRound(client: Client, roundId: string): Promise<RoundView> {
  const execution = await findExecution(client, roundId);
  const answer = await queryStatus(client, roundId);
  const view: RoundView = {
    roundId,
    execution,
    status: answer.status,
    silence: answer.status === null && execution === 'RUNNING' ? await whySilent(client, roundId, answer.error) : null,
    stageTrials: answer.status?.trials ?? null,
    result: null,
    released: null,
    failure: null,
  };
  const handle = client.workflow.getHandle(roundId);
  if (execution === 'COMPLETED') {
    const result = roundResultSchema.safeParse(await handle.result());
    if (result.success) view.result = result.data;
    else view.failure = `its result cannot be read: ${result.error.message}`;
    view.released = view.result?.released ?? null;
  } else if (execution !== 'RUNNING') {
    view.failure = await awaitFailure(() => handle.result());
  }
  return view;
}

/** The server's state of a round; throws a CliError for what is no round. */
export async function findExecution(client: Client, roundId: string): Promise<string> {
  const { type, status } = await client.workflow
    .getHandle(roundId)
    .describe()
    .catch((error: unknown) => {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
      throw new CliError(`there is no round "${roundId}": \`npx selkie round list\` shows them`, exitCodes.notFound);
    });
  if (type !== workflowTypes.round) {
    throw new CliError(`"${roundId}" is a ${type}, not a round`, exitCodes.notFound);
  }
  return status.name;
}

/** What the round's `status` query answers; null, with the error, where there is no answer that can be read. */
export async function queryStatus(
  client: Client,
  roundId: string,
): Promise<{ status: RoundStatus } | { status: null; error: unknown }> {
  try {
    const answer: unknown = await client.workflow.getHandle(roundId).query(queryNames.status);
    return { status: roundStatusSchema.parse(answer) };
  } catch (error) {
    return { status: null, error };
  }
}

async function awaitFailure(result: () => Promise<unknown>): Promise<string | null> {
  try {
    await result();
    return null;
  } catch (error) {
    return error instanceof WorkflowFailedError ? causesOf(error.cause ?? error) : String(error);
  }
}

/** Temporal's messages for an error whose cause is more specific. */
const emptyWords = /^(Activity task failed|Child Workflow execution failed|Workflow execution failed)$/i;

/** The messages of an error and of what caused it, each thing said once. */
export function causesOf(error: Error): string {
  const messages: string[] = [];
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    const { message } = at;
    if (!emptyWords.test(message) && !messages.some((said) => said.includes(message))) messages.push(message);
  }
  return messages.length === 0 ? error.message : messages.join(': ');
}
