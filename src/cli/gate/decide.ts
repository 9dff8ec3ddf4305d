import { WorkflowFailedError } from '@temporalio/client';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  roundResultSchema,
  signalNames,
  type DecisionMessage,
  type DecisionRecord,
  type GateView,
} from '../../contract/index.js';
import { hasControls } from '../../lib/visible.js';
import { personOf } from '../../lib/person.js';
import { shellWord } from '../../lib/shell-word.js';
import { recordKey } from '../../governance/gates.js';
import { CliError, exitCodes } from '../errors.js';
import { causesOf } from '../round/view.js';
import { viewGate, type GateClient } from './view.js';

const verdictWithinMs = 15_000;
/** A round records, compares and publishes after its gate; that is a few seconds where nothing is away. */
const releaseWithinMs = 60_000;
const pollMs = 300;

export interface Choice {
  decision: 'approve' | 'reject';
  approver: string;
  note: string | undefined;
  digest: string | undefined;
}

/** What the round did after its gate. */
export interface Release {
  released: boolean;
  reason: string;
}

export interface Decided {
  view: GateView;
  verdict: DecisionRecord;
  /** null: the gate waits for more, or was rejected */
  release: Release | null;
}

/** Sends the decision, waits until the gate has judged it, and then, if that approved it, until the round has released or not. */
export async function decide(client: GateClient, id: string, choice: Choice): Promise<Decided> {
  if (personOf(choice.approver) === '' || hasControls(choice.approver)) {
    throw new CliError('--as needs a name that can be seen, without control characters', exitCodes.usage);
  }
  const { spec, state } = await viewGate(client, id);
  if (state !== 'open') throw new CliError(`the gate is closed: ${state}`);
  if (choice.digest !== undefined && choice.digest !== spec.digest) {
    throw new CliError(`the gate is about ${spec.digest}, not about ${choice.digest}: nothing was sent`);
  }
  const message: DecisionMessage = {
    gateId: spec.gateId,
    digest: spec.digest,
    decision: choice.decision,
    approver: choice.approver,
    key: randomUUID(),
    ...(choice.note === undefined ? {} : { note: choice.note }),
  };
  await client.workflow.getHandle(spec.gateId).signal(signalNames[choice.decision], message);
  const { view, verdict } = await judged(client, spec.gateId, recordKey(spec, choice.decision, message));
  const release = verdict.counted && view.state === 'approved' ? await awaitRelease(client, spec.roundId) : null;
  return { view, verdict, release };
}

async function judged(
  client: GateClient,
  gateId: string,
  key: string,
): Promise<{ view: GateView; verdict: DecisionRecord }> {
  const untilMs = Date.now() + verdictWithinMs;
  for (;;) {
    const view = await viewGate(client, gateId);
    const verdict = view.decisions.find((record) => record.key === key);
    if (verdict !== undefined) return { view, verdict };
    if (Date.now() >= untilMs) throw new CliError('the decision was sent, and the gate has not judged it yet');
    await sleep(pollMs);
  }
}

/** Whether the round's policy was released, by the round's own result. */
export async function awaitRelease(client: GateClient, roundId: string, withinMs = releaseWithinMs): Promise<Release> {
  const round = client.workflow.getHandle(roundId);
  const untilMs = Date.now() + withinMs;
  for (;;) {
    const { status } = await round.describe();
    if (status.name !== 'RUNNING') break;
    if (Date.now() >= untilMs) {
      const hint = `npx selkie round status ${shellWord(roundId)}`;
      return { released: false, reason: `the round has not said within ${withinMs / 1000} s: \`${hint}\`` };
    }
    await sleep(pollMs);
  }
  try {
    const { released, releaseReason: reason } = roundResultSchema.parse(await round.result());
    return { released, reason };
  } catch (error) {
    const why = error instanceof WorkflowFailedError ? causesOf(error.cause ?? error) : String(error);
    return { released: false, reason: `the round did not complete: ${why}` };
  }
}
