import { describe, expect, it } from 'vitest';
import { policyAlias } from '../../../src/contract/index.js';
import {
  defaultModel,
  tenantPolicySchema,
  textDigest,
  type DecisionRecord,
  type GateResult,
} from '../../../src/contract/index.js';
import { asking, askedRightly } from '../../support/asked.js';
import { small, useControlRig } from '../../support/control-rig.js';

// What the ledger knows of gates: who may open, decide and close one, and what a further asking is.
const rig = useControlRig();

const decision = (approver: string, more: Partial<DecisionRecord> = {}): DecisionRecord => ({
  approver,
  decision: 'approve',
  note: null,
  key: `${approver} ${more.decision ?? 'approve'}`,
  atMs: 1,
  counted: true,
  reason: '',
  ...more,
});

/** A round with an open gate, asked by run-1. */
async function opened(roundId: string, gate: object = {}) {
  const digest = await rig.reported(roundId, { ...small, tenant: roundId, gate: { ...gate, trust: 'unsigned' } });
  const spec = await rig.gateOf(roundId, digest);
  const { gateId } = spec;
  const claim = (outcome: GateResult['outcome'], ...decisions: DecisionRecord[]): GateResult => ({
    gateId,
    digest,
    outcome,
    reason: `claims ${outcome}`,
    decisions,
    uncounted: 0,
    malformed: 0,
  });
  const run = (runId: string) => askedRightly(rig.bare, runId);
  expect(await run('run-1').openGate(spec)).toEqual({ decided: null });
  return { roundId, digest, spec, gateId, claim, run };
}

const byRound = (roundId: string, claim: GateResult): Promise<GateResult> =>
  asking({ workflowType: 'sealRound', workflowId: roundId }, () => rig.bare.closeGate(claim));

describe('a gate', () => {
  it('has the rules of its round and decides on its report, whoever opens it', async () => {
    const { spec, run } = await opened('rules', { needed: 2 });
    for (const [field, forged] of Object.entries({
      needed: 1,
      approvers: ['mallory'],
      requestedBy: 'nobody',
      digest: textDigest('other'),
      deadlineSeconds: 1,
      onTimeout: 'reject',
    })) {
      await expect(run('run-2').openGate({ ...spec, [field]: forged })).rejects.toMatchObject({
        type: 'InvalidRequest',
        message: expect.stringContaining(`differs in ${field}`) as string,
      });
    }
    expect((await rig.ledger.gates.latest(spec.gateId))?.instance).toBe(1);
  });

  it("has the stricter rules of its tenant's policy, and keeps them when that changes", async () => {
    const setBy = 'ann';
    const policyOf = (tenant: string, needed: number, approvers: string[] = []) => ({
      tenant,
      version: needed,
      policy: tenantPolicySchema.parse({ needed, approvers, trust: 'unsigned' }),
      setBy,
    });
    expect(await rig.ledger.tenantPolicies.set(policyOf('ruled', 1))).toMatchObject({ written: true });
    const { roundId, spec, gateId, claim, run } = await opened('ruled', { onTimeout: 'reject' });
    expect(spec).toMatchObject({ needed: 1, onTimeout: 'reject', policyVersion: 1 });

    await rig.ledger.tenantPolicies.set(policyOf('ruled', 2));
    const again = await rig.ledger.tenantPolicies.set(policyOf('ruled', 2, ['mallory']));
    expect(again).toMatchObject({ written: false, stored: { policy: { approvers: [] } } });
    // by run-1, for which the instance is open; a later run is held to the policy of its time
    expect(await run('run-1').openGate(spec)).toEqual({ decided: null });
    await expect(run('run-2').openGate(spec)).rejects.toMatchObject({
      message: expect.stringContaining('differs in needed, policyVersion') as string,
    });
    expect(await rig.activities.checkRelease({ roundId })).toMatchObject({ rules: { needed: 2, policyVersion: 2 } });
    const gate = await run('run-1').closeGate(claim('approved', decision('bob')));
    expect(await rig.activities.releasePolicy({ roundId, gate })).toMatchObject({ released: true });
    expect((await rig.ledger.gates.latest(gateId))?.spec).toEqual(spec);
  });

  it('that nobody could satisfy is refused before anything is spent', async () => {
    const claimed = (tenant: string, more: object = {}) => rig.prepare(`${tenant}.r`, { ...small, tenant, ...more });
    await expect(claimed('lawless')).rejects.toMatchObject({
      type: 'InvalidConfig',
      message: expect.stringContaining('the tenant "lawless" has no policy in the ledger') as string,
    });
    const policy = tenantPolicySchema.parse({ approvers: ['ann'], trust: 'unsigned' });
    await rig.ledger.tenantPolicies.set({ tenant: 'narrow', version: 1, policy, setBy: 'ann' });
    await expect(claimed('narrow', { requestedBy: 'Ann' })).rejects.toMatchObject({ type: 'InvalidConfig' });
    await expect(claimed('narrow', { gate: { approvers: ['bob'] } })).rejects.toMatchObject({ type: 'InvalidConfig' });
    await claimed('narrow', { requestedBy: 'bob' });
  });

  it('is opened once by a run, however often that asks', async () => {
    const { spec, gateId, run } = await opened('once');
    await Promise.all(Array.from({ length: 5 }, () => run('run-1').openGate(spec)));
    expect(await rig.ledger.gates.latest(gateId)).toMatchObject({ instance: 1, runId: 'run-1', result: null });
  });

  it('ends as its recorded decisions say, and no claim changes that', async () => {
    const { gateId, claim, run } = await opened('claims', { needed: 2 });
    await expect(run('run-1').closeGate(claim('approved', decision('ann')))).rejects.toMatchObject({
      type: 'InvalidRequest',
    });
    await run('run-1').recordDecisions({ gateId, decisions: [decision('ann'), decision('cy', { counted: false })] });
    const closed = await run('run-1').closeGate(claim('approved', decision('bob')));
    expect(closed).toMatchObject({ outcome: 'approved' });
    expect(closed.decisions.map(({ approver }) => approver).sort()).toEqual(['ann', 'bob']);
    // the same end again is told the same; another is refused
    expect(await run('run-1').closeGate(claim('approved'))).toEqual(closed);
    await expect(
      run('run-1').closeGate(claim('rejected', decision('dan', { decision: 'reject' }))),
    ).rejects.toMatchObject({
      message: expect.stringContaining('ended as approved before') as string,
    });
    expect((await rig.ledger.gates.latest(gateId))?.result).toEqual(closed);
  });

  it('lets a veto stand where it was left', async () => {
    const { gateId, claim, run } = await opened('veto');
    await run('run-1').recordDecisions({ gateId, decisions: [decision('ann', { decision: 'reject' })] });
    expect(await run('run-1').closeGate(claim('hold'))).toMatchObject({ outcome: 'rejected' });
  });

  it('counts nothing that is recorded after its end', async () => {
    const { roundId, gateId, claim, run } = await opened('late');
    const gate = await run('run-1').closeGate(claim('approved', decision('ann')));
    await run('run-1').recordDecisions({ gateId, decisions: [decision('bob', { decision: 'reject' })] });
    expect(await rig.ledger.gates.decisions(gateId, 1)).toMatchObject([
      { approver: 'ann', counted: true },
      { approver: 'bob', counted: false, reason: 'late: the gate is closed (approved)' },
    ]);
    expect(await rig.activities.releasePolicy({ roundId, gate })).toMatchObject({ released: true });
  });

  it('is left on hold by its round, which decides nothing', async () => {
    const { roundId, claim, gateId } = await opened('left');
    for (const outcome of ['approved', 'rejected'] as const) {
      await expect(byRound(roundId, claim(outcome, decision('ann')))).rejects.toMatchObject({ type: 'InvalidRequest' });
    }
    expect(await byRound(roundId, claim('hold'))).toMatchObject({ outcome: 'hold' });
    expect((await rig.ledger.gates.latest(gateId))?.result).toMatchObject({ outcome: 'hold' });
    // one that was decided just before it died was decided
    const other = await opened('decided-then-died');
    await other.run('run-1').closeGate(other.claim('approved', decision('ann')));
    expect(await byRound('decided-then-died', other.claim('hold'))).toMatchObject({ outcome: 'approved' });
  });

  it('that was never opened has nothing to record or to close', async () => {
    await rig.prepare('unopened', small);
    const gateId = 'unopened.gate-release';
    await expect(rig.activities.recordDecisions({ gateId, decisions: [decision('ann')] })).rejects.toMatchObject({
      type: 'InvalidRequest',
    });
    const claim = { gateId, digest: textDigest('x'), reason: '', decisions: [], uncounted: 0, malformed: 0 };
    await expect(rig.activities.closeGate({ ...claim, outcome: 'approved' })).rejects.toMatchObject({
      type: 'InvalidRequest',
    });
    // as a gate does that is cancelled before it was opened
    expect(await rig.activities.closeGate({ ...claim, outcome: 'hold' })).toMatchObject({ outcome: 'hold' });
    expect(await rig.ledger.gates.latest(gateId)).toBeNull();
  });
});

describe('a gate that is asked again', () => {
  it('is a further instance after a hold, with decisions of its own, and can be approved and released', async () => {
    const { roundId, spec, gateId, claim, run } = await opened('again', { needed: 2 });
    await run('run-1').recordDecisions({ gateId, decisions: [decision('ann')] });
    await run('run-1').closeGate(claim('hold'));
    expect(await run('run-2').openGate(spec)).toEqual({ decided: null });
    // what was said before is of the first asking
    await expect(run('run-2').closeGate(claim('approved', decision('bob')))).rejects.toMatchObject({
      type: 'InvalidRequest',
    });
    const gate = await run('run-2').closeGate(claim('approved', decision('ann'), decision('bob')));
    expect(gate.outcome).toBe('approved');
    expect(await rig.activities.releasePolicy({ roundId, gate })).toMatchObject({ released: true });
    expect(await rig.ledger.releases.live(policyAlias({ tenant: 'again', model: defaultModel }))).toMatchObject({
      roundId,
      gateInstance: 2,
    });
  });

  it.each(['approved', 'rejected'] as const)('after it was %s tells that, for good', async (outcome) => {
    const { roundId, spec, gateId, claim, run } = await opened(`final-${outcome}`);
    const said = decision('ann', { decision: outcome === 'approved' ? 'approve' : 'reject' });
    const end = await run('run-1').closeGate(claim(outcome, said));
    expect(await run('run-2').openGate(spec)).toEqual({ decided: end });
    expect((await rig.ledger.gates.latest(gateId))?.instance).toBe(1);
    const other = outcome === 'approved' ? 'rejected' : 'approved';
    await expect(run('run-2').closeGate(claim(other, decision('bob')))).rejects.toMatchObject({
      type: 'InvalidRequest',
    });
    if (outcome === 'rejected') {
      expect(await rig.activities.releasePolicy({ roundId, gate: end })).toMatchObject({ released: false });
      const forged = { ...end, outcome: other } as const;
      expect(await rig.activities.releasePolicy({ roundId, gate: forged })).toMatchObject({ released: false });
    }
  });

  it('puts an instance on hold that an older run left open', async () => {
    const { spec, gateId, claim, run } = await opened('superseded');
    await run('run-2').openGate(spec);
    expect(await rig.ledger.gates.ofRun(gateId, 'run-1')).toMatchObject({ instance: 1, result: { outcome: 'hold' } });
    expect(await rig.ledger.gates.latest(gateId)).toMatchObject({ instance: 2, result: null });
    // a run that was reset past its opening has an instance all the same
    await run('run-3').recordDecisions({ gateId, decisions: [decision('ann')] });
    expect(await run('run-3').closeGate(claim('approved', decision('ann')))).toMatchObject({ outcome: 'approved' });
    expect(await rig.ledger.gates.ofRun(gateId, 'run-3')).toMatchObject({ instance: 3 });
  });
});
