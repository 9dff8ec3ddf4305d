import {
  activityContracts,
  type ActivityRequest,
  type ActivityResult,
  type ControlActivities,
} from '../contract/index.js';
import { resumeCampaign } from './control/campaign.js';
import { claimRound, closeRound, prepareRound } from './control/rounds.js';
import type { ControlDeps } from './control/deps.js';
import { closeGate, openGate, recordDecision } from './control/gates.js';
import { endOrphans } from './control/orphans.js';
import { buildPolicyTraining, recordPolicy } from './control/policy.js';
import { releasePolicy } from './control/release.js';
import { buildReport } from './control/report.js';
import { selectEdits } from './control/selection.js';
import { loadShard, planTrials, recordOutcome } from './control/trials.js';
import { asFailure, parseRequest } from './failures.js';

export type { ControlDeps } from './control/deps.js';

/** The light activities: the ledger and the artifact store are the only things they touch, and any may be retried. */
export function createControlActivities(deps: ControlDeps): ControlActivities {
  const serve =
    <N extends keyof ControlActivities>(
      name: N,
      run: (deps: ControlDeps, request: ActivityRequest<N>) => Promise<ActivityResult<N>>,
    ) =>
    async (request: ActivityRequest<N>): Promise<ActivityResult<N>> => {
      try {
        const parsed = parseRequest(name, activityContracts[name].request, request) as ActivityRequest<N>;
        return await run(deps, parsed);
      } catch (error) {
        throw asFailure(error);
      }
    };
  return {
    resumeCampaign: serve('resumeCampaign', resumeCampaign),
    endOrphans: serve('endOrphans', endOrphans),
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
    recordDecision: serve('recordDecision', recordDecision),
    closeGate: serve('closeGate', closeGate),
    releasePolicy: serve('releasePolicy', releasePolicy),
    closeRound: serve('closeRound', closeRound),
  };
}
