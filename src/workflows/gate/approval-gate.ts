import { CancellationScope, condition, isCancellation, log, setCurrentDetails } from '@temporalio/workflow';
import { TemporalFailure } from '@temporalio/common';
import {
  gateInputSchema,
  queryNames,
  reportNames,
  signalNames,
  type DecisionRecord,
  type GateResult,
} from '../../contract/index.js';
import {
  applyDecision,
  asManyAsFit,
  endedGate,
  expireGate,
  gateResult,
  gateView,
  openGate,
  refuseMessage,
} from '../../governance/gates.js';
import { activitiesOf } from '../runtime/call-activity.js';
import { workflowNow } from '../runtime/clock.js';
import { sentenceOf } from '../runtime/failures.js';
import { gateMarkdown } from './details.js';
import { onQuery, onSignal } from '../runtime/handlers.js';
import { summaryOf } from '../runtime/markdown.js';
import { parseInput } from '../runtime/parse.js';
import { tag } from '../runtime/search-attributes.js';
import { whileParentRuns } from '../runtime/with-parent.js';

/** Decisions of no effect that go to the ledger, of one gate; the rest is only counted, or a flood would fill the history. */
const uncountedRecorded = 200;
/** Decisions that go there at once. */
const batch = { most: 100, bytes: 24 * 1024 };
/** How often a gate checks whether there is still something to release: anyone who can signal can trigger a check. */
const mostLooks = 100;

/**
 * Waits for decisions until there are enough, one is a reject, or the deadline passes. The rules are the reducer's, in
 * governance; here are its messages, its clock and its records. A gate that was decided in an earlier run is not asked again.
 */
export async function approvalGate(input: unknown): Promise<GateResult> {
  const { spec, settings } = parseInput(gateInputSchema, input, 'approvalGate');
  const { gateId, roundId } = spec;
  let gate = openGate(spec, workflowNow());
  let blocked: string | null = null;
  let looks = 0;
  let mustLook = true as boolean;
  const unrecorded: DecisionRecord[] = [];

  const show = (): void => setCurrentDetails(gateMarkdown(gateView(gate, blocked)));
  const example = JSON.stringify({ gateId, digest: spec.digest, approver: 'YOUR-NAME', note: 'optional' });
  for (const signal of [signalNames.approve, signalNames.reject]) {
    onSignal(
      signal,
      `${signal === 'approve' ? 'Approves' : 'Rejects'} what this gate is about. Input: ${example}`,
      (message) => {
        const applied = applyDecision(gate, signal, message, workflowNow());
        gate = applied.gate;
        const { record } = applied.verdict;
        if (record !== null && (record.counted || gate.uncounted <= uncountedRecorded)) unrecorded.push(record);
        if (applied.verdict.counted) mustLook = true;
        show();
      },
      (reason) => (gate = refuseMessage(gate, signal, reason, workflowNow())),
    );
  }
  onSignal(
    reportNames.liveChanged,
    'Sent by rounds that released something: the gate looks whether it still can',
    () => (mustLook = true),
    () => undefined,
  );
  onQuery(queryNames.gates, 'How this gate stands', () => [gateView(gate, blocked)]);
  show();

  const call = activitiesOf(settings);
  const recordNext = async (): Promise<void> => {
    const fitting = asManyAsFit(unrecorded.slice(0, batch.most), batch.bytes).length;
    const decisions = unrecorded.splice(0, Math.max(1, fitting));
    await call('recordDecisions', { gateId, decisions }, `${decisions.length} decisions`);
  };
  const look = async (): Promise<void> => {
    mustLook = false;
    looks += 1;
    if (looks > mostLooks) return;
    try {
      ({ blocked } = await call('checkRelease', { roundId }, 'whether there is still something to release'));
    } catch (error) {
      if (isCancellation(error) || !(error instanceof TemporalFailure)) throw error;
      log.warn('whether the policy can still be released is not known', { gateId, why: sentenceOf(error) });
    }
    show();
  };
  const end = (result: GateResult): void => {
    gate = endedGate(gate, result);
    tag(settings, { SealGate: result.outcome });
    show();
  };
  const close = async (): Promise<void> => {
    end(await call('closeGate', gateResult(gate), gate.state));
  };
  const decision = async (): Promise<void> => {
    while (gate.state === 'open') {
      if (unrecorded.length > 0) await recordNext();
      else if (mustLook) await look();
      else {
        const summary = summaryOf(`${spec.needed} needed for: ${spec.subject}`);
        const heard = await condition(
          () => unrecorded.length > 0 || mustLook || gate.state !== 'open',
          Math.max(1, gate.dueAtMs - workflowNow()),
          { summary },
        );
        if (!heard) gate = expireGate(gate, workflowNow());
      }
    }
  };
  try {
    const { decided } = await call('openGate', spec, spec.subject);
    if (decided !== null) end(decided);
    else {
      tag(settings, { SealGate: 'open' });
      await whileParentRuns(settings, decision);
      // first, so that a flood of others holds up no decision
      await close();
    }
    while (unrecorded.length > 0) await recordNext();
    return gateResult(gate);
  } catch (error) {
    if (isCancellation(error)) await CancellationScope.nonCancellable(close);
    throw error;
  }
}
