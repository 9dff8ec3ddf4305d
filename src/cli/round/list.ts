import type { Client } from '@temporalio/client';
import { workflowTypes } from '../../contract/index.js';
import { safeText } from '../text/safe-text.js';
import { listTable } from '../text/table.js';

/** A round in the list: what the server knows of it without asking its worker. */
export interface ListedRound {
  roundId: string;
  execution: string;
  stage: string | null;
  startedAt: string;
  closedAt: string | null;
}

/** The latest rounds, the newest first. */
export async function listRounds(
  client: Client,
  { running, limit }: { running: boolean; limit: number },
): Promise<ListedRound[]> {
  const query = `WorkflowType = '${workflowTypes.round}'${running ? " AND ExecutionStatus = 'Running'" : ''}`;
  const rounds: ListedRound[] = [];
  for await (const { workflowId, status, startTime, closeTime, typedSearchAttributes } of client.workflow.list({
    query,
    pageSize: Math.min(limit, 1000),
  })) {
    const stage = typedSearchAttributes.getAll().find(({ key }) => key.name === 'SealStage')?.value;
    rounds.push({
      roundId: workflowId,
      execution: status.name,
      stage: typeof stage === 'string' ? stage : null,
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
    ['round', 'state', 'stage', 'started', 'ended'],
    rounds.map(({ roundId, execution, stage, startedAt, closedAt }) => [
      safeText(roundId),
      execution.toLowerCase(),
      stage ?? '–',
      startedAt,
      closedAt ?? '–',
    ]),
  );
}
