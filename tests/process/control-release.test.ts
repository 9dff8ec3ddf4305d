import { describe, expect, it } from 'vitest';
import { textDigest, type RoundConfigInput } from '../../src/contract/index.js';
import { adapter, small, useControlRig } from '../support/control-rig.js';

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

  it('releases nothing that another content was approved for', async () => {
    await rig.reported('rel.digest', input('digest'));
    const gate = await rig.decide('rel.digest', textDigest('another report'), 'approved');
    expect(await rig.activities.releasePolicy({ roundId: 'rel.digest', gate })).toMatchObject({
      released: false,
      reason: expect.stringContaining("not this round's report") as string,
    });
  });

  it("releases nothing by another round's gate, nor by one that nobody opened", async () => {
    const digest = await rig.reported('rel.own', input('own'));
    const other = await rig.decide('rel.ok', digest, 'approved').catch(() => null);
    expect(other).toBeNull();
    const gate = (await rig.ledger.gates.get('rel.ok.gate-release'))?.result;
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

  it('releases nothing over a release that the round was not compared with', async () => {
    const [one, two] = ['rel.race1', 'rel.race2'];
    const digests = [await rig.reported(one, input('race')), await rig.reported(two, { ...input('race'), seed: 1 })];
    const gates = [
      await rig.decide(one, digests[0] ?? '', 'approved'),
      await rig.decide(two, digests[1] ?? '', 'approved'),
    ];
    const ends = await Promise.all(
      [one, two].map((roundId, i) => {
        const gate = gates[i];
        if (gate === undefined) throw new Error('no gate');
        return rig.activities.releasePolicy({ roundId, gate });
      }),
    );
    expect(ends.filter(({ released }) => released)).toHaveLength(1);
    expect(ends.find(({ released }) => !released)?.reason).toMatch(
      /another release became live under race\/smollm2-135m-instruct\/policy/,
    );
    // a round that begins afterwards knows of it
    const third = await rig.decide(
      'rel.race3',
      await rig.reported('rel.race3', { ...input('race'), seed: 2 }),
      'approved',
    );
    expect(await rig.activities.releasePolicy({ roundId: 'rel.race3', gate: third })).toMatchObject({ released: true });
  });
});
