import { activityInfo } from '@temporalio/activity';
import {
  activityContracts,
  failure,
  familyOf,
  gateIdOf,
  shardIdOf,
  workflowTypes,
  type ActivityName,
  type ActivityRequest,
  type gpuActivityNames,
} from '../contract/index.js';
import { parseRequest } from './failures.js';

/** The run of a workflow that asks for an activity. */
export interface Caller {
  workflowType: string;
  workflowId: string;
  runId: string;
}

type Asker = Pick<Caller, 'workflowType' | 'workflowId'>;

const campaign = (workflowId: string): Asker => ({ workflowType: workflowTypes.campaign, workflowId });
const round = (workflowId: string): Asker => ({ workflowType: workflowTypes.round, workflowId });
const shard = (workflowId: string): Asker => ({ workflowType: workflowTypes.shard, workflowId });
const trial = (workflowId: string): Asker => ({ workflowType: workflowTypes.trial, workflowId });
const gate = (workflowId: string): Asker => ({ workflowType: workflowTypes.gate, workflowId });

const ofRound = ({ roundId }: { roundId: string }): Asker[] => [round(roundId)];
const ofTrial = ({ trialId }: { trialId: string }): Asker[] => [trial(trialId)];

/** Activities that this worker serves; the runner's are checked by the runner. */
export type ServedName = Exclude<ActivityName, (typeof gpuActivityNames)[number]>;

/**
 * Who may ask for what: the workflow that the request is about, or the parent that speaks for a child which cannot.
 * Temporal lets anyone start any activity, alone or from their own workflow, and these activities write the ledger.
 */
export const askersOf: { [N in ServedName]: (request: ActivityRequest<N>) => Asker[] } = {
  resumeCampaign: ({ campaignId }) => [campaign(campaignId)],
  endOrphans: ({ parentId }) => [round(parentId), campaign(parentId), shard(parentId)],
  endWithParent: ({ workflowId }) => [round(workflowId), shard(workflowId), gate(workflowId)],
  claimRound: ofRound,
  prepareRound: ofRound,
  planTrials: ofRound,
  loadShard: ({ roundId, purpose, shard: number }) => [shard(shardIdOf(roundId, purpose, number)), round(roundId)],
  recordOutcome: ({ trialId }) => {
    const family = familyOf(trialId);
    return [trial(trialId), ...(family === null ? [] : [shard(family.shardId), round(family.roundId)])];
  },
  selectEdits: ofRound,
  buildPolicyTraining: ofRound,
  recordPolicy: ofRound,
  buildReport: ofRound,
  openGate: ({ gateId }) => [gate(gateId)],
  recordDecisions: ({ gateId }) => [gate(gateId)],
  closeGate: ({ gateId }) => [gate(gateId), ...roundOf(gateId)],
  checkRelease: ({ roundId }) => [round(roundId), gate(gateIdOf(roundId, 'release'))],
  releasePolicy: ofRound,
  closeRound: ofRound,
  checkServer: ofRound,
  measureBaseline: ofRound,
  proposeSelfEdit: ofTrial,
  screenSelfEdit: ofTrial,
  evaluateAdapter: ofTrial,
};

function roundOf(gateId: string): Asker[] {
  const tail = gateIdOf('', 'release');
  return gateId.endsWith(tail) ? [round(gateId.slice(0, -tail.length))] : [];
}

/**
 * A request that parses, from a workflow that may make it.
 * @throws InvalidRequest
 */
export function admit<N extends ServedName>(name: N, given: unknown): { request: ActivityRequest<N>; caller: Caller } {
  const request = parseRequest(name, activityContracts[name].request, given) as ActivityRequest<N>;
  const { workflowType, workflowExecution } = activityInfo();
  if (workflowType === undefined || workflowExecution === undefined) {
    throw failure('InvalidRequest', `${name} is asked for by workflows of Selkie, and never started by itself`);
  }
  const caller = { workflowType, ...workflowExecution };
  const allowed = askersOf[name](request);
  if (!allowed.some((asker) => asker.workflowType === workflowType && asker.workflowId === caller.workflowId)) {
    const expected = allowed.map((asker) => `${asker.workflowType} "${asker.workflowId}"`).join(' or ');
    throw failure(
      'InvalidRequest',
      `${name} about this is asked for by ${expected}, and not by ${workflowType} "${caller.workflowId}"`,
    );
  }
  return { request, caller };
}
