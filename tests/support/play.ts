import { Context } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { queryNames, type GateView, type RoundStatus } from '../../src/contract/index.js';
import { FakeLedger } from './fake-ledger.js';
import { until } from './rig.js';
import { ScriptedActivities, type Answer } from './scripted-activities.js';

/** A fresh ledger, and activities that answer from it. */
export function fresh(): { ledger: FakeLedger; scripted: ScriptedActivities } {
  const ledger = new FakeLedger();
  return { ledger, scripted: new ScriptedActivities(ledger.answers) };
}

export const statusOf = (round: WorkflowHandle): Promise<RoundStatus> => round.query<RoundStatus>(queryNames.status);

/** The round's release gate, once people can decide. */
export const openGateOf = (round: WorkflowHandle, ledger: FakeLedger): Promise<GateView> =>
  until(async () => {
    const [view] = await round.query<GateView[]>(queryNames.gates);
    return view?.state === 'open' && ledger.gates.has(view.spec.gateId) && view;
  });

export interface Decision {
  gateId: string;
  digest: string;
  approver: string;
}

/** What somebody would send to decide at a gate. */
export const decisionOn = ({ spec }: GateView, approver = 'ann'): Decision => ({
  gateId: spec.gateId,
  digest: spec.digest,
  approver,
});

/** A workflow's result, to be parsed. */
export const resultOf = (workflow: WorkflowHandle): Promise<unknown> => workflow.result() as Promise<unknown>;

/** A training that beats and never ends, until it is cancelled. */
export const endlessTraining: Answer<'trainAdapter'> = async () => {
  const beat = setInterval(() => {
    Context.current().heartbeat({ step: 1 });
  }, 50);
  try {
    return await Context.current().cancelled;
  } finally {
    clearInterval(beat);
  }
};
