import { CancellationScope } from '@temporalio/workflow';
import { TemporalFailure } from '@temporalio/common';
import { gateIdOf, gateResultSchema, workflowTypes, type GateResult, type GateSpec } from '../contract/index.js';
import { gateView, openGate } from '../governance/gates.js';
import { startOne } from './children.js';
import { workflowNow } from './clock.js';
import { sentenceOf } from './failures.js';
import { parseResult } from './parse.js';
import type { RoundContext } from './round-context.js';

/**
 * Asks whether the round's policy may be released, and waits for the answer. A gate whose workflow is terminated, cancelled
 * or broken is on hold: nothing but an approval that counted releases anything.
 */
export async function decideRelease(round: RoundContext, digest: string, subject: string): Promise<GateResult> {
  const { roundId, config, state, settings } = round;
  const { needed, approvers, deadlineSeconds, onTimeout } = config.gate;
  const gateId = gateIdOf(roundId, 'release');
  const { requestedBy } = config;
  const spec: GateSpec = {
    gateId,
    roundId,
    kind: 'release',
    subject: subject.slice(0, 500),
    digest,
    needed,
    approvers,
    requestedBy,
    deadlineSeconds,
    onTimeout,
  };

  state.gate = gateView(openGate(spec, workflowNow()));
  let result: GateResult;
  try {
    round.gateHandle = await startOne(settings, {
      type: workflowTypes.gate,
      workflowId: gateId,
      input: { spec, settings },
      summary: subject,
      tags: { SealGate: 'open' },
    });
    round.tag({ SealGate: 'open' });
    round.show();
    result = parseResult(gateResultSchema, await round.gateHandle.result(), gateId);
  } catch (error) {
    if (CancellationScope.current().consideredCancelled || !(error instanceof TemporalFailure)) throw error;
    const reason = `the gate's workflow ended without a decision: ${sentenceOf(error, 300)}`;
    const { decisions, malformed } = state.gate;
    result = { gateId, digest, outcome: 'hold', reason, decisions, malformed: malformed.length };
    await round.call('closeGate', result, reason);
  } finally {
    round.gateHandle = null;
  }
  state.gate = { ...state.gate, state: result.outcome, decisions: result.decisions };
  round.tag({ SealGate: result.outcome });
  round.show();
  return result;
}
