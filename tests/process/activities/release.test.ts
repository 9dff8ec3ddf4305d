import { describe, expect, it } from 'vitest';
import type { RoundConfigInput } from '../../../src/contract/index.js';
import { adapter, small, useControlRig } from '../../support/control-rig.js';

const rig = useControlRig();

describe('releasePolicy', () => {
  const input = (tenant: string): RoundConfigInput => ({ ...small, tenant, gate: { trust: 'unsigned' } });

  it('releases what was approved, once, and points the alias at it', async () => {
    const digest = await rig.reported('rel.ok', input('ok'));
    const gate = await rig.decide('rel.ok', digest, 'approved');
    const released = await rig.activities.releasePolicy({ roundId: 'rel.ok', gate });
    expect(released).toMatchObject({ released: true, alias: 'ok/smollm2-135m-instruct/policy' });
    expect(
      await Promise.all(Array.from({ length: 5 }, () => rig.activities.releasePolicy({ roundId: 'rel.ok', gate }))),
    ).toEqual(Array.from({ length: 5 }, () => released));
    expect(await rig.ledger.releases.live('ok/smollm2-135m-instruct/policy')).toMatchObject({
      roundId: 'rel.ok',
      digest,
      model: { stack: [adapter('policy of rel.ok')] },
    });
  });

  it.each(['rejected', 'hold'] as const)('releases nothing when the gate ended as %s', async (outcome) => {
    const roundId = `rel.${outcome}`;
    const gate = await rig.decide(roundId, await rig.reported(roundId, input(outcome)), outcome);
    expect(await rig.activities.releasePolicy({ roundId, gate })).toMatchObject({
      released: false,
      alias: null,
      reason: expect.stringContaining(`not approved: ${outcome}`) as string,
    });
    // nor when the caller says that it did
    const claimed = { ...gate, outcome: 'approved' as const };
    expect(await rig.activities.releasePolicy({ roundId, gate: claimed })).toMatchObject({ released: false });
    expect(await rig.ledger.releases.live(`${outcome}/smollm2-135m-instruct/policy`)).toBeNull();
  });

  it('answers no claim but an approval, also where the round was released', async () => {
    const roundId = 'rel.claims';
    const gate = await rig.decide(roundId, await rig.reported(roundId, input('claims')), 'approved');
    expect(await rig.activities.releasePolicy({ roundId, gate })).toMatchObject({ released: true });
    for (const outcome of ['rejected', 'hold'] as const) {
      expect(await rig.activities.releasePolicy({ roundId, gate: { ...gate, outcome } })).toMatchObject({
        released: false,
        alias: null,
      });
    }
  });

  it("releases nothing by another round's gate, nor by one that nobody opened", async () => {
    const digest = await rig.reported('rel.own', input('own'));
    const gate = (await rig.ledger.gates.latest('rel.ok.gate-release'))?.result;
    if (!gate) throw new Error('no gate');
    expect(await rig.activities.releasePolicy({ roundId: 'rel.own', gate })).toMatchObject({
      released: false,
      reason: 'gate rel.ok.gate-release is not a gate of this round',
    });
    const unopened = { ...gate, gateId: 'rel.own.gate-release', digest };
    expect(await rig.activities.releasePolicy({ roundId: 'rel.own', gate: unopened })).toMatchObject({
      released: false,
    });
  });

  it('counts the recorded decisions once more, whatever the gate and its row say', async () => {
    const roundId = 'rel.recount';
    const digest = await rig.reported(roundId, { ...input('recount'), requestedBy: 'ann' });
    const spec = await rig.gateOf(roundId, digest);
    const { gateId } = spec;
    await rig.activities.openGate(spec);
    // ann asked for the round, so her approval does not count
    const own = {
      approver: 'A\u200bnn',
      decision: 'approve' as const,
      note: null,
      key: 'k',
      atMs: 1,
      counted: true,
      reason: '',
    };
    const claim = {
      gateId,
      digest,
      outcome: 'approved' as const,
      reason: 'forged',
      decisions: [own],
      uncounted: 0,
      malformed: 0,
    };
    await expect(rig.activities.closeGate(claim)).rejects.toMatchObject({
      type: 'InvalidRequest',
      message: expect.stringContaining('says approved, and its decisions come to open') as string,
    });
    await rig.ledger.gates.decide(gateId, 1, [own]);
    await rig.ledger.gates.close(1, claim);
    expect(await rig.activities.releasePolicy({ roundId, gate: claim })).toMatchObject({
      released: false,
      reason: "not approved: the recorded decisions come to open by the gate's rules",
    });
    expect(await rig.ledger.releases.live('recount/smollm2-135m-instruct/policy')).toBeNull();
  });

  it('releases nothing over a policy that the round was not compared with, and says so before', async () => {
    const race = { ...input('race'), model: 'tiny' };
    const [one, two] = ['rel.race1', 'rel.race2'];
    const digests = [await rig.reported(one, race), await rig.reported(two, { ...race, seed: 1 })];
    expect(await rig.activities.checkRelease({ roundId: one })).toMatchObject({ blocked: null, replaces: null });
    const gates = [
      await rig.decide(one, digests[0] ?? '', 'approved'),
      await rig.decide(two, digests[1] ?? '', 'approved'),
    ];
    const waits = await rig.reported('rel.race3', { ...race, seed: 2 });
    await rig.activities.openGate(await rig.gateOf('rel.race3', waits));
    const ends = await Promise.all(
      [one, two].map((roundId, i) => {
        const gate = gates[i];
        if (gate === undefined) throw new Error('no gate');
        return rig.activities.releasePolicy({ roundId, gate });
      }),
    );
    const released = ends.filter((end) => end.released);
    expect(released).toHaveLength(1);
    expect(released[0]?.overtaken).toEqual(['rel.race3.gate-release']);
    expect(ends.find((end) => !end.released)?.reason).toMatch(
      /^release \d+ of rel\.race\d is live under race\/tiny\/policy, and the policy of rel\.race\d was not compared with it/,
    );
    // a round that begins afterwards, from the base, was not compared with it either
    const after = await rig.reported('rel.race4', { ...race, seed: 3 });
    const { blocked, replaces } = await rig.activities.checkRelease({ roundId: 'rel.race4' });
    expect(blocked).toMatch(/was not compared with it/);
    expect(replaces).toMatch(/^release \d+ of rel\.race\d$/);
    const fourth = await rig.decide('rel.race4', after, 'approved');
    expect(await rig.activities.releasePolicy({ roundId: 'rel.race4', gate: fourth })).toMatchObject({
      released: false,
      reason: blocked,
    });
    // one that started from it takes its place
    const live = await rig.ledger.releases.live('race/tiny/policy');
    const next = await rig.reported('rel.race5', { ...race, startStack: live?.model.stack ?? [] });
    const fifth = await rig.decide('rel.race5', next, 'approved');
    expect(await rig.activities.releasePolicy({ roundId: 'rel.race5', gate: fifth })).toMatchObject({ released: true });
  });
});
