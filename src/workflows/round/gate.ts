import { CancellationScope, getExternalWorkflowHandle } from '@temporalio/workflow';
import { TemporalFailure } from '@temporalio/common';
import { gateResultSchema, reportNames, workflowTypes, type GateResult, type GateRules } from '../../contract/index.js';
import { endedGate, gateResult, gateView, openGate, releaseGate } from '../../governance/gates.js';
import { startOne } from '../runtime/children.js';
import { workflowNow } from '../runtime/clock.js';
import { sentenceOf } from '../runtime/failures.js';
import { parseResult } from '../runtime/parse.js';
import type { RoundContext } from './context.js';

/**
 * Asks whether the round's policy may be released, and waits for the answer. What people see of the gate here is the
 * round's own spec until the gate has ended; the gate itself shows more. A gate whose workflow is terminated, cancelled
 * or broken is on hold, unless the ledger knows that it was decided: nothing but an approval that counted releases
 * anything.
 */
export async function decideRelease(
  round: RoundContext,
  rules: GateRules,
  { digest, subject }: { digest: string; subject: string },
): Promise<GateResult> {
  const { roundId, state, settings } = round;
  const spec = releaseGate(roundId, rules, { digest, subject });
  const { gateId } = spec;
  const gate = openGate(spec, workflowNow());
  state.gate = gateView(gate);
  let result: GateResult;
  try {
    const child = await startOne(settings, {
      type: workflowTypes.gate,
      workflowId: gateId,
      input: { spec, settings },
      summary: spec.subject,
      tags: { SealGate: 'open' },
    });
    round.openGateId = gateId;
    round.tag({ SealGate: 'open' });
    round.show();
    result = parseResult(gateResultSchema, await child.result(), gateId);
  } catch (error) {
    if (CancellationScope.current().consideredCancelled || !(error instanceof TemporalFailure)) throw error;
    const reason = `the gate's workflow ended without a decision: ${sentenceOf(error, 300)}`;
    result = await round.call('closeGate', { ...gateResult(gate), reason }, reason);
  } finally {
    round.openGateId = null;
  }
  state.gate = gateView(endedGate(gate, result));
  round.tag({ SealGate: result.outcome });
  round.show();
  return result;
}

/** Tells open gates that another policy is live; each looks for itself. One that has just ended misses nothing. */
export async function tellOvertaken(gateIds: readonly string[]): Promise<void> {
  await Promise.all(
    gateIds.map((gateId) => unlessGone(getExternalWorkflowHandle(gateId).signal(reportNames.liveChanged, {}))),
  );
}

async function unlessGone(told: Promise<unknown>): Promise<void> {
  try {
    await told;
  } catch (error) {
    if (!(error instanceof TemporalFailure)) throw error;
  }
}
