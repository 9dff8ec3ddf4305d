import type { ActivityRequest, ActivityResult, LedgerActivities } from '../../contract/index.js';
import type { Caller } from '../callers.js';
import { serve } from '../serve.js';
import { resumeCampaign } from './campaign.js';
import { claimRound, closeRound, prepareRound } from './rounds.js';
import type { LedgerDeps } from './deps.js';
import { closeGate, openGate, recordDecisions } from './gates.js';
import { endOrphans, endWithParent } from './orphans.js';
import { buildPolicyTraining, recordPolicy } from './policy.js';
import { checkRelease, releasePolicy } from './release.js';
import { buildReport } from './report.js';
import { selectEdits } from './selection.js';
import { noteStage } from './stages.js';
import { loadShard, planTrials, recordOutcome } from './trials.js';

export type { LedgerDeps } from './deps.js';

/** The light activities: the ledger and the artifact store are the only things they touch, and any may be retried. */
export function createLedgerActivities(deps: LedgerDeps): LedgerActivities {
  const serveWith = <N extends keyof LedgerActivities>(
    name: N,
    work: (deps: LedgerDeps, request: ActivityRequest<N>, caller: Caller) => Promise<ActivityResult<N>>,
  ) =>
    serve(name, async (request, caller) => {
      await noteStage(deps, name, request);
      return work(deps, request, caller);
    });
  return {
    resumeCampaign: serveWith('resumeCampaign', resumeCampaign),
    endOrphans: serveWith('endOrphans', endOrphans),
    endWithParent: serveWith('endWithParent', endWithParent),
    claimRound: serveWith('claimRound', claimRound),
    prepareRound: serveWith('prepareRound', prepareRound),
    planTrials: serveWith('planTrials', planTrials),
    loadShard: serveWith('loadShard', loadShard),
    recordOutcome: serveWith('recordOutcome', recordOutcome),
    selectEdits: serveWith('selectEdits', selectEdits),
    buildPolicyTraining: serveWith('buildPolicyTraining', buildPolicyTraining),
    recordPolicy: serveWith('recordPolicy', recordPolicy),
    buildReport: serveWith('buildReport', buildReport),
    openGate: serveWith('openGate', openGate),
    recordDecisions: serveWith('recordDecisions', recordDecisions),
    closeGate: serveWith('closeGate', closeGate),
    checkRelease: serveWith('checkRelease', checkRelease),
    releasePolicy: serveWith('releasePolicy', releasePolicy),
    closeRound: serveWith('closeRound', closeRound),
  };
}
