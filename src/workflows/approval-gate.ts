import {
  CancellationScope,
  condition,
  defineQuery,
  defineSignal,
  isCancellation,
  setCurrentDetails,
  setHandler,
} from '@temporalio/workflow';
import {
  gateInputSchema,
  queryNames,
  reportNames,
  signalNames,
  type DecisionRecord,
  type GateResult,
  type GateView,
} from '../contract/index.js';
import { applyDecision, expireGate, gateResult, gateView, openGate } from '../governance/gates.js';
import { activitiesOf } from './call-activity.js';
import { tellParent } from './children.js';
import { workflowNow } from './clock.js';
import { gateMarkdown } from './gate-details.js';
import { summaryOf } from './markdown.js';
import { parseInput } from './parse.js';
import { tag } from './search-attributes.js';

const gatesQuery = defineQuery<GateView[]>(queryNames.gates);

/**
 * Waits for decisions until there are enough, one is a reject, or the deadline passes. The rules are the reducer's, in
 * governance; here are its messages, its clock and its records. Nothing that is sent can fail it.
 */
export async function approvalGate(input: unknown): Promise<GateResult> {
  const { spec, settings } = parseInput(gateInputSchema, input, 'approvalGate');
  let gate = openGate(spec, workflowNow());
  const unrecorded: DecisionRecord[] = [];
  let unreported = true;

  const show = (): void => {
    unreported = true;
    setCurrentDetails(gateMarkdown(gateView(gate)));
  };
  const example = JSON.stringify({ gateId: spec.gateId, digest: spec.digest, approver: 'YOUR-NAME', note: 'optional' });
  for (const signal of [signalNames.approve, signalNames.reject]) {
    setHandler(
      defineSignal<[unknown]>(signal),
      (message) => {
        const applied = applyDecision(gate, signal, message, workflowNow());
        gate = applied.gate;
        if (applied.verdict.record !== null) unrecorded.push(applied.verdict.record);
        show();
      },
      { description: `${signal === 'approve' ? 'Approves' : 'Rejects'} what this gate is about. Input: ${example}` },
    );
  }
  setHandler(gatesQuery, () => [gateView(gate)], { description: 'How this gate stands' });
  show();

  const call = activitiesOf(settings);
  const close = (): Promise<unknown> => call('closeGate', gateResult(gate), gate.state);
  const recordAll = async (): Promise<void> => {
    for (let decision = unrecorded.shift(); decision !== undefined; decision = unrecorded.shift()) {
      await call('recordDecision', { gateId: spec.gateId, decision }, `${decision.decision}: ${decision.reason}`);
    }
  };
  try {
    await call('openGate', spec, spec.subject);
    tag(settings, { SealGate: 'open' });
    for (;;) {
      await recordAll();
      while (unreported) {
        unreported = false;
        await tellParent(reportNames.gateChanged, gateView(gate));
      }
      if (gate.state !== 'open') break;
      const summary = summaryOf(`${spec.needed} needed for: ${spec.subject}`);
      const heard = await condition(() => unreported, Math.max(1, gate.dueAtMs - workflowNow()), { summary });
      if (!heard) {
        gate = expireGate(gate, workflowNow());
        show();
      }
    }
    tag(settings, { SealGate: gate.state });
    await close();
    // late ones, which came meanwhile
    await recordAll();
    return gateResult(gate);
  } catch (error) {
    if (isCancellation(error)) await CancellationScope.nonCancellable(close);
    throw error;
  }
}
