import { getExternalWorkflowHandle } from '@temporalio/workflow';
import {
  decisionMessageSchema,
  queryNames,
  reportNames,
  shardProgressSchema,
  signalNames,
} from '../../contract/index.js';
import { workflowNow } from '../runtime/clock.js';
import { onQuery, onSignal } from '../runtime/handlers.js';
import { issuesOf } from '../runtime/parse.js';
import type { RoundContext } from './context.js';

const exampleDecision = `{"gateId":"<from the query gates>","digest":"<from there too>","approver":"YOUR-NAME","note":"optional"}`;

/** Decisions that a round passes on to its gate: each is four events in its history, which has an end. */
const mostForwarded = 500;

/**
 * Installs a round's messages and queries, except pause, resume and stop; call it before the first await. Unusable
 * messages are recorded with a reason; the round continues.
 */
export function installRoundMessages(round: RoundContext): void {
  const { state } = round;
  let forwarded = 0;
  const refusing =
    (signal: string) =>
    (reason: string): void => {
      state.rejected.add({ atMs: workflowNow(), signal, reason });
      round.show();
    };

  for (const signal of [signalNames.approve, signalNames.reject]) {
    const refuse = refusing(signal);
    onSignal(
      signal,
      `${signal === 'approve' ? 'Approves' : 'Rejects'} at the open gate. Input: ${exampleDecision}`,
      (message) => {
        const parsed = decisionMessageSchema.safeParse(message);
        const gateId = round.openGateId;
        if (!parsed.success) refuse(issuesOf(parsed.error));
        else if (gateId === null) refuse('no gate of this round is open');
        else if (parsed.data.gateId !== gateId) refuse('for another gate than this round has open');
        else if (forwarded >= mostForwarded) refuse(`too many decisions came this way: send it to ${gateId} itself`);
        else {
          forwarded += 1;
          // by its id: the gate may be of a run before this one. The gate itself decides what counts, and records it.
          getExternalWorkflowHandle(gateId)
            .signal(signal, parsed.data)
            .catch(() => refuse('the gate had just closed'));
        }
      },
      refuse,
    );
  }
  const refuseProgress = refusing(reportNames.shardProgress);
  onSignal(
    reportNames.shardProgress,
    "Sent by the round's own shards, for people to see",
    (message) => {
      const parsed = shardProgressSchema.safeParse(message);
      if (!parsed.success) refuseProgress(issuesOf(parsed.error));
      else if (state.heard(parsed.data)) round.show();
    },
    refuseProgress,
  );
  onQuery(queryNames.status, 'Phase, counts, caps, selection, refused messages', () => state.status);
  onQuery(
    queryNames.gates,
    "What the round's gate asks and how it ended; its own id answers with the decisions",
    () => round.gates,
  );
}
