import { failure, type ActivityRequest, type ActivityResult } from '../../contract/index.js';
import type { ControlDeps } from './deps.js';

/** Keeps what a gate decides on, before anybody can decide. */
export async function openGate(
  { ledger }: ControlDeps,
  spec: ActivityRequest<'openGate'>,
): Promise<ActivityResult<'openGate'>> {
  const { spec: stored } = await ledger.gates.open(spec);
  if (stored.digest !== spec.digest) {
    throw failure('InvalidRequest', `gate ${spec.gateId} was opened for ${stored.digest}, not for ${spec.digest}`);
  }
  return {};
}

/** Keeps a decision, counted or not. */
export async function recordDecision(
  { ledger }: ControlDeps,
  { gateId, decision }: ActivityRequest<'recordDecision'>,
): Promise<ActivityResult<'recordDecision'>> {
  await ledger.gates.decide(gateId, decision);
  return {};
}

/** Keeps how a gate ended; the first end stands. A gate that died before it was opened left nothing to close. */
export async function closeGate(
  { ledger }: ControlDeps,
  result: ActivityRequest<'closeGate'>,
): Promise<ActivityResult<'closeGate'>> {
  await ledger.gates.close(result);
  return {};
}
