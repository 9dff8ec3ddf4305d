import { gateIdOf, shardIdOf, type ActivityRequest, type ActivityResult } from '../../contract/index.js';
import type { LedgerDeps } from './deps.js';

/**
 * Cancels what an ended run left behind, which a reset does: one workflow, or the shards and the gate of a round. A shard
 * cancels its trials.
 */
export async function endOrphans(
  { ledger, temporal }: LedgerDeps,
  { parentId, workflowId }: ActivityRequest<'endOrphans'>,
): Promise<ActivityResult<'endOrphans'>> {
  for (const childId of workflowId === undefined ? await listChildren(parentId) : [workflowId]) {
    await temporal?.endOrphan(childId, parentId);
  }
  return {};

  async function listChildren(roundId: string): Promise<string[]> {
    const shards = await ledger.trials.openShards(roundId);
    return [...shards.map(({ purpose, shard }) => shardIdOf(roundId, purpose, shard)), gateIdOf(roundId, 'release')];
  }
}

/** Cancels a child whose parent has no run any more, which the server does not tell a child of a run before a reset. */
export async function endWithParent(
  { temporal }: LedgerDeps,
  { workflowId, parentId }: ActivityRequest<'endWithParent'>,
): Promise<ActivityResult<'endWithParent'>> {
  await temporal?.endWithParent(workflowId, parentId);
  return {};
}
