import type { ActivityRequest, ActivityResult, LedgerActivities } from '../../contract/index.js';
import { admit, type Caller } from '../callers.js';
import { resumeCampaign } from './campaign.js';
import { claimRound, closeRound, prepareRound } from './rounds.js';
import type { LedgerDeps } from './deps.js';
import { closeGate, openGate, recordDecisions } from './gates.js';
import { endOrphans, endWithParent } from './orphans.js';
import { buildPolicyTraining, recordPolicy } from './policy.js';
import { checkRelease, releasePolicy } from './release.js';
import { buildReport } from './report.js';
import { selectEdits } from './selection.js';
import { loadShard, planTrials, recordOutcome } from './trials.js';
import { asFailure } from '../failures.js';

export type { LedgerDeps } from './deps.js';

/** The light activities: the ledger and the artifact store are the only things they touch, and any may be retried. */
export function createLedgerActivities(deps: LedgerDeps): LedgerActivities {
  const serve =
    <N extends keyof LedgerActivities>(
      name: N,
      run: (deps: LedgerDeps, request: ActivityRequest<N>, caller: Caller) => Promise<ActivityResult<N>>,
    ) =>
    async (given: ActivityRequest<N>): Promise<ActivityResult<N>> => {
      try {
        const { request, caller } = admit(name, given);
        return await run(deps, request, caller);
      } catch (error) {
        throw asFailure(error);
      }
    };
  return {
    resumeCampaign: serve('resumeCampaign', resumeCampaign),
    endOrphans: serve('endOrphans', endOrphans),
    endWithParent: serve('endWithParent', endWithParent),
    claimRound: serve('claimRound', claimRound),
    prepareRound: serve('prepareRound', prepareRound),
    planTrials: serve('planTrials', planTrials),
    loadShard: serve('loadShard', loadShard),
    recordOutcome: serve('recordOutcome', recordOutcome),
    selectEdits: serve('selectEdits', selectEdits),
    buildPolicyTraining: serve('buildPolicyTraining', buildPolicyTraining),
    recordPolicy: serve('recordPolicy', recordPolicy),
    buildReport: serve('buildReport', buildReport),
    openGate: serve('openGate', openGate),
    recordDecisions: serve('recordDecisions', recordDecisions),
    closeGate: serve('closeGate', closeGate),
    checkRelease: serve('checkRelease', checkRelease),
    releasePolicy: serve('releasePolicy', releasePolicy),
    closeRound: serve('closeRound', closeRound),
  };
}
