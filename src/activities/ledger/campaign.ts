import {
  failure,
  layersProblem,
  policyAlias,
  roundIdOf,
  type ActivityRequest,
  type ActivityResult,
  type ModelRef,
} from '../../contract/index.js';
import type { LedgerDeps } from './deps.js';

/**
 * Where a campaign resumes: after its last completed round, from the last released policy. A round that had begun keeps
 * the stack it began with.
 */
export async function resumeCampaign(
  { ledger }: LedgerDeps,
  { campaignId, rounds, nextRound: atLeast, round }: ActivityRequest<'resumeCampaign'>,
): Promise<ActivityResult<'resumeCampaign'>> {
  const stand = await ledger.rounds.campaign(campaignId);
  if (stand !== null && stand.tenant !== round.tenant) {
    throw failure('RoundIdTaken', `the campaign id "${campaignId}" is taken: start it under another id`);
  }
  const nextRound = Math.max(atLeast, (stand?.lastCompleted ?? 0) + 1);
  const begun = await ledger.rounds.find(roundIdOf(campaignId, nextRound));
  const goesOn = begun?.tenant === round.tenant && (begun.corpusDigest !== null || begun.status === 'running');
  const startStack = goesOn ? begun.config.startStack : await policyToStartFrom();
  const left = rounds === 0 ? Infinity : rounds - nextRound + 1;
  const [problem] = left > 0 ? layersProblem(round.policy.from, startStack.length, left) : [];
  if (problem !== undefined) throw failure('InvalidConfig', problem);
  return { nextRound, startStack, completed: stand?.completed ?? [] };

  /** A stack that the config names counts until the campaign has released a policy itself. */
  async function policyToStartFrom(): Promise<ModelRef['stack']> {
    const live = await ledger.releases.live(policyAlias(round));
    if (live === null) return round.startStack;
    if (round.startStack.length === 0) return live.model.stack;
    const { config } = await ledger.rounds.get(live.roundId);
    return config.campaign === campaignId ? live.model.stack : round.startStack;
  }
}
