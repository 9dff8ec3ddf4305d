import { failure } from '../../contract/index.js';
import type { Ledger, Proposal } from '../../ledger/index.js';
import type { PolicyUpdate, WeightedEdit } from '../../seal/policy-update/index.js';

/** An edit that the policy learns to write, and the round that selected it. */
export interface TaughtEdit extends WeightedEdit {
  roundId: string;
  proposal: Proposal;
}

/**
 * What the update makes of these rounds' selections, in order of rounds, then of documents. A proposal of several rounds is
 * learnt once, with its latest weight.
 * @throws InvalidRequest where a trial has no proposal
 */
export async function loadTaughtEdits(ledger: Ledger, update: PolicyUpdate, roundIds: string[]): Promise<TaughtEdit[]> {
  const taught = new Map<string, TaughtEdit>();
  for (const roundId of roundIds) {
    const selection = await ledger.selections.get(roundId);
    if (selection === null) continue;
    const edits = update(selection);
    const found = await ledger.proposals.ofTrials(edits.map(({ trialId }) => trialId));
    const proposals = new Map(found.map((proposal) => [proposal.trialId, proposal]));
    for (const edit of edits) {
      const proposal = proposals.get(edit.trialId);
      if (proposal === undefined) {
        throw failure('InvalidRequest', `the selected trial ${edit.trialId} has no proposal in the ledger`);
      }
      taught.set(proposal.proposalKey, { ...edit, roundId, proposal });
    }
  }
  return [...taught.values()];
}
