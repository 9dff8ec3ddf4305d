import type { Client } from '@temporalio/client';
import { workflowTypes } from '../../contract/index.js';
import type { RoundSummary } from '../../ledger/index.js';
import type { Sources } from '../sources.js';
import { safeText } from '../text/safe-text.js';
import { listTable } from '../text/table.js';

/** A round in the list: what the ledger and the server know of it, without asking a worker. */
export interface ListedRound {
  roundId: string;
  /** as the server reports it: RUNNING, COMPLETED, …; null where it does not answer, or no longer knows the round */
  execution: string | null;
  stage: string | null;
  /** by the ledger; null until the round has planned some */
  trials: RoundSummary['trials'] | null;
  startedAt: string;
  closedAt: string | null;
}

interface Listing {
  running: boolean;
  limit: number;
}

/** The latest rounds, newest first: those in the ledger, and those on the server that no worker has claimed yet. */
export async function listRounds({ client, ledger }: Sources, listing: Listing): Promise<ListedRound[]> {
  const executions = client === null ? [] : await listExecutions(client, listing);
  const known = ledger === null ? [] : await ledger.readModel.rounds(listing);
  const byId = new Map(executions.map((round) => [round.roundId, round]));
  for (const { roundId, stage, trials, startedAt, closedAt } of known) {
    const execution = byId.get(roundId);
    // a round that was terminated runs on for the ledger alone
    if (listing.running && client !== null && execution === undefined) continue;
    byId.set(roundId, { execution: null, startedAt, closedAt, ...execution, roundId, stage, trials });
  }
  const newestFirst = [...byId.values()].sort((a, b) => Date.parse(b.startedAt) - Date.parse(a.startedAt));
  return newestFirst.slice(0, listing.limit);
}

async function listExecutions(client: Client, { running, limit }: Listing): Promise<ListedRound[]> {
  const query = `WorkflowType = '${workflowTypes.round}'${running ? " AND ExecutionStatus = 'Running'" : ''}`;
  const rounds: ListedRound[] = [];
  for await (const { workflowId, status, startTime, closeTime, typedSearchAttributes } of client.workflow.list({
    query,
    pageSize: Math.min(limit, 1000),
  })) {
    const stage = typedSearchAttributes.getAll().find(({ key }) => key.name === 'SealStage')?.value;
    // of several runs under one id the latest comes first
    if (rounds.some(({ roundId }) => roundId === workflowId)) continue;
    rounds.push({
      roundId: workflowId,
      execution: status.name,
      stage: typeof stage === 'string' ? stage : null,
      trials: null,
      startedAt: startTime.toISOString(),
      closedAt: closeTime?.toISOString() ?? null,
    });
    if (rounds.length === limit) break;
  }
  return rounds;
}

export function listText(rounds: ListedRound[]): string {
  if (rounds.length === 0) return 'no round: `npx selkie round start` starts one';
  return listTable(
    ['round', 'state', 'stage', 'trials', 'started', 'ended'],
    rounds.map(({ roundId, execution, stage, trials, startedAt, closedAt }) => [
      safeText(roundId),
      execution?.toLowerCase() ?? 'unknown',
      stage ?? '–',
      trials === null ? '–' : `${trials.recorded}/${trials.planned}`,
      startedAt,
      closedAt ?? '–',
    ]),
  );
}
