import { defineQuery, defineSignal, getExternalWorkflowHandle, setHandler } from '@temporalio/workflow';
import {
  decisionMessageSchema,
  gateViewSchema,
  queryNames,
  reportNames,
  shardProgressSchema,
  signalNames,
  type GateView,
  type RoundStatus,
} from '../contract/index.js';
import { workflowNow } from './clock.js';
import { issuesOf } from './parse.js';
import type { RoundContext } from './round-context.js';

const statusQuery = defineQuery<RoundStatus>(queryNames.status);
const gatesQuery = defineQuery<GateView[]>(queryNames.gates);
const progressSignal = defineSignal<[unknown]>(reportNames.shardProgress);
const gateChangedSignal = defineSignal<[unknown]>(reportNames.gateChanged);

const exampleDecision = `{"gateId":"<from the query gates>","digest":"<from there too>","approver":"YOUR-NAME","note":"optional"}`;

/**
 * Installs what a round hears and answers, beside pause, resume and stop; call it before the first await. Every handler is
 * synchronous and total: whatever is sent, a message of no use is kept with the reason, and the round goes on.
 */
export function installRoundMessages(round: RoundContext): void {
  const { state } = round;
  const refuse = (signal: string, reason: string): void => {
    state.rejected.add({ atMs: workflowNow(), signal, reason });
    round.show();
  };

  for (const signal of [signalNames.approve, signalNames.reject]) {
    setHandler(
      defineSignal<[unknown]>(signal),
      (message) => {
        const parsed = decisionMessageSchema.safeParse(message);
        const gate = round.gateHandle;
        if (!parsed.success) refuse(signal, issuesOf(parsed.error));
        else if (gate === null) refuse(signal, 'no gate of this round is open');
        // the gate itself decides what counts, and records it; by its id, since it may be of a run before a reset
        else {
          getExternalWorkflowHandle(gate.workflowId)
            .signal(signal, parsed.data)
            .catch(() => refuse(signal, 'the gate had just closed'));
        }
      },
      {
        description: `${signal === 'approve' ? 'Approves' : 'Rejects'} at the open gate. Input: ${exampleDecision}`,
      },
    );
  }
  setHandler(
    progressSignal,
    (message) => {
      const parsed = shardProgressSchema.safeParse(message);
      if (!parsed.success) refuse(reportNames.shardProgress, issuesOf(parsed.error));
      else if (state.heard(parsed.data)) round.show();
    },
    { description: "Sent by the round's own shards" },
  );
  setHandler(
    gateChangedSignal,
    (message) => {
      const parsed = gateViewSchema.safeParse(message);
      if (!parsed.success) refuse(reportNames.gateChanged, issuesOf(parsed.error));
      else if (parsed.data.spec.gateId === state.gate?.spec.gateId) {
        state.gate = parsed.data;
        round.show();
      }
    },
    { description: "Sent by the round's own gate" },
  );
  setHandler(statusQuery, () => state.status, { description: 'Phase, counts, caps, selection, refused messages' });
  setHandler(gatesQuery, () => round.gates, { description: 'How each gate stands' });
}
