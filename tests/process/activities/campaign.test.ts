import { describe, expect, it } from 'vitest';
import { canonicalDigest, roundConfigSchema, roundIdOf, type RoundConfigInput } from '../../../src/contract/index.js';
import { adapter, model, reward, small, useControlRig } from '../../support/control-rig.js';

const rig = useControlRig();

const of = (tenant: string, more: RoundConfigInput = {}): RoundConfigInput => ({
  ...small,
  tenant,
  gate: { trust: 'unsigned' },
  ...more,
});
const claim = (roundId: string, input: RoundConfigInput) => {
  const config = roundConfigSchema.parse(input);
  return rig.activities.claimRound({ roundId, config, configDigest: canonicalDigest(config), startedAtMs: 1 });
};
const resume = (campaignId: string, tenant: string, more: { rounds?: number; nextRound?: number } = {}, round = {}) =>
  rig.activities.resumeCampaign({
    campaignId,
    rounds: 0,
    nextRound: 1,
    ...more,
    round: {
      tenant,
      model: 'smollm2-135m-instruct',
      policy: roundConfigSchema.parse({}).policy,
      startStack: [],
      ...round,
    },
  });
const refusal = (type: string, message: string | RegExp) => ({
  type,
  nonRetryable: true,
  message: (message instanceof RegExp
    ? expect.stringMatching(message)
    : expect.stringContaining(message)) as unknown as string,
});

/** A round with a policy, completed. */
async function complete(roundId: string, input: RoundConfigInput): Promise<void> {
  const digest = await rig.reported(roundId, input);
  await rig.activities.releasePolicy({ roundId, gate: await rig.decide(roundId, digest, 'approved') });
  await rig.close(roundId, 'completed', '');
}

describe('resumeCampaign', () => {
  it('goes on after the last completed round, from the policy that is live', async () => {
    expect(await resume('ca.long', 'ca')).toEqual({ nextRound: 1, startStack: [], completed: [] });
    await complete('ca.long.r0001', of('ca', { campaign: 'ca.long', model: 'tiny' }));
    const live = [adapter('policy of ca.long.r0001')];
    expect(await resume('ca.long', 'ca', {}, { model: 'tiny' })).toEqual({
      nextRound: 2,
      startStack: live,
      completed: [1],
    });
    // each model has its own live policy, or none
    expect(await resume('ca.long', 'ca')).toMatchObject({ startStack: [] });
    // what the campaign left behind is not run again
    expect(await resume('ca.long', 'ca', { nextRound: 5 })).toMatchObject({ nextRound: 5, completed: [1] });
  });

  it('lets a round that was begun go on from what it was begun with', async () => {
    await rig.prepare('cb.one.r0001', of('cb', { campaign: 'cb.one', model: 'tiny' }));
    await complete('cb.alone', of('cb', { model: 'tiny' }));
    expect(await resume('cb.one', 'cb', {}, { model: 'tiny' })).toMatchObject({ nextRound: 1, startStack: [] });
    expect(await resume('cb.two', 'cb', {}, { model: 'tiny' })).toMatchObject({
      startStack: [adapter('policy of cb.alone')],
    });
  });

  it('refuses more rounds than a stack has room for', async () => {
    await complete('cc.alone', of('cc', { model: 'tiny' }));
    const previous = { model: 'tiny', policy: roundConfigSchema.parse({ policy: { from: 'previous' } }).policy };
    await expect(resume('cc.deep', 'cc', { rounds: 8 }, previous)).rejects.toMatchObject(
      refusal('InvalidConfig', 'a stack holds 8, of which 1 are taken: run 7 rounds at most'),
    );
    expect(await resume('cc.deep', 'cc', { rounds: 7 }, previous)).toMatchObject({ nextRound: 1 });
  });

  it('refuses the id of another tenant, and says nothing of it', async () => {
    await claim('cd.mine.r0001', of('cd', { campaign: 'cd.mine' }));
    const error = refusal('RoundIdTaken', /^the campaign id "cd\.mine" is taken: start it under another id$/);
    await expect(resume('cd.mine', 'thief')).rejects.toMatchObject(error);
  });
});

describe('a long campaign', () => {
  it('never repeats its candidates, and learns from its latest rounds without naming them', async () => {
    const campaign = 'ce.endless';
    const seeds = new Set<unknown>();
    const rounds = [1, 2, 100, 101, 102, 103, 2000, 2001];
    for (const number of rounds) {
      const roundId = roundIdOf(campaign, number);
      await rig.prepare(roundId, of('ce', { campaign, editsPerSource: 1 }));
      for (const { edit } of await rig.planned(roundId, 'edits')) seeds.add(edit.kind === 'propose' && edit.seed);
    }
    expect(seeds.size).toBe(rounds.length * small.sources.train);
    const last = await rig.ledger.rounds.get(roundIdOf(campaign, 2001));
    expect(await rig.ledger.rounds.earlierInCampaign(last, 3)).toEqual(
      [102, 103, 2000].map((number) => roundIdOf(campaign, number)),
    );
    expect(JSON.stringify(last.config).length).toBeLessThan(4096);
  });

  it('trains its policy on the pairs of its earlier rounds', async () => {
    const input = of('cf', { campaign: 'cf.two' });
    await complete('cf.two.r0001', input);
    await rig.reported('cf.two.r0002', input);
    expect((await rig.ledger.policies.get('cf.two.r0002'))?.pairs).toBe(4);
  });
});

describe('an id that is taken', () => {
  it('is not told what another tenant did with it', async () => {
    await claim('taken', of('cg', { seed: 5 }));
    const refused = claim('taken', of('thief', { seed: 6 }));
    await expect(refused).rejects.toMatchObject(
      refusal('RoundIdTaken', /^the round id "taken" is taken: start it under another id$/),
    );
    expect((await rig.ledger.rounds.get('taken')).tenant).toBe('cg');
    await claim('cg.camp.r0001', of('cg', { campaign: 'cg.camp' }));
    await expect(claim('cg.camp.r0002', of('thief', { campaign: 'cg.camp' }))).rejects.toMatchObject(
      refusal('RoundIdTaken', 'the round id "cg.camp.r0002" is taken'),
    );
  });

  it('is the same configuration where a version has more fields, and gives way where nothing came of it', async () => {
    const config = roundConfigSchema.parse(of('ch'));
    const older = Object.fromEntries(Object.entries(config).filter(([key]) => key !== 'window'));
    await rig.ledger.rounds.claim({
      roundId: 'upgraded',
      config: older as typeof config,
      configDigest: canonicalDigest(older),
    });
    await rig.prepare('upgraded', of('ch'));
    await expect(claim('upgraded', of('ch', { window: 3 }))).rejects.toMatchObject(
      refusal('RoundIdTaken', 'differs in window: '),
    );

    await claim('mistaken', of('ch', { seed: 1 }));
    await expect(claim('mistaken', of('ch', { seed: 2 }))).rejects.toMatchObject(refusal('RoundIdTaken', 'seed'));
    await rig.close('mistaken', 'failed', 'no such corpus');
    await claim('mistaken', of('ch', { seed: 2 }));
    expect((await rig.ledger.rounds.get('mistaken')).config.seed).toBe(2);
  });

  it('refuses a campaign that the round is not one of', async () => {
    await expect(claim('ci.alone', of('ci', { campaign: 'ci.other' }))).rejects.toMatchObject(
      refusal('InvalidConfig', '"ci.alone" is no round of "ci.other"'),
    );
  });
});

describe('what a round builds on', () => {
  it.each([
    ['nobody has', 'cj.nowhere', {}, 'the tenant "cj" has no round "cj.nowhere"'],
    ['another tenant has', 'cjj.secret', {}, 'the tenant "cj" has no round "cjj.secret"'],
    ['another model has', 'cj.first', { model: 'qwen' }, 'round "cj.first" has model "tiny", this one "qwen"'],
    ['is asked otherwise', 'cj.first', { promptStyle: 'base' as const }, 'has promptStyle "chat", this one "base"'],
  ])('refuses an earlier round that %s', async (_what, earlier, more, message) => {
    await claim('cjj.secret', of('cjj', { model: 'tiny' }));
    await claim('cj.first', of('cj', { model: 'tiny' }));
    const input = of('cj', { model: 'tiny', earlierRounds: [earlier], ...more });
    await expect(claim('cj.next', input)).rejects.toMatchObject(refusal('InvalidConfig', message));
    // and the id is still free
    expect(await rig.ledger.rounds.find('cj.next')).toBeNull();
  });

  it('refuses a policy that no round of the tenant trained on this model, and takes one that did', async () => {
    await complete('ck.first', of('ck', { model: 'tiny' }));
    const startStack = [adapter('policy of ck.first')];
    for (const input of [
      of('ck', { model: 'tiny', startStack: [adapter('made up')] }),
      of('ck', { model: 'tiny', startStack: [...startStack, adapter('made up')] }),
      of('ck', { model: 'qwen', startStack }),
      of('thief', { model: 'tiny', startStack }),
    ]) {
      await expect(claim('ck.next', input)).rejects.toMatchObject(refusal('InvalidConfig', 'startStack: no round of'));
    }
    const input = of('ck', { model: 'tiny', startStack });
    await claim('ck.next', input);
    const prepare = (digest: string) =>
      rig.activities.prepareRound({ roundId: 'ck.next', model: { ...model, digest } });
    await expect(prepare(canonicalDigest('other weights'))).rejects.toMatchObject(
      refusal('InvalidConfig', 'trained on other weights of "tiny"'),
    );
    expect(await prepare(model.digest)).toMatchObject({ old: { stack: startStack } });
  });
});

describe("the policy's budget", () => {
  it('is a cap of its own, and what cannot fit is said with the figures before any trial', async () => {
    const input = of('cl', { campaign: 'cl.camp', model: 'tiny', caps: { maxDeviceSeconds: 1 } });
    await complete('cl.camp.r0001', input);
    expect((await rig.ledger.policies.get('cl.camp.r0001'))?.request.maxDeviceSeconds).toBe(10_800);
    // the first trained 2 pairs in 4 steps of 4 in 10 s; the second has those and one for each of its documents
    const tight = { ...input, caps: { maxPolicyDeviceSeconds: 4 } };
    await expect(rig.prepare('cl.camp.r0002', tight)).rejects.toMatchObject(
      refusal('InvalidConfig', /on 4 pairs takes 2 steps and about 5 s of the device.*maxPolicyDeviceSeconds allows 4/),
    );
    await rig.close('cl.camp.r0002', 'failed', '');
    await rig.prepare('cl.camp.r0002', { ...input, caps: { maxPolicyDeviceSeconds: 5 } });
  });

  it("is estimated by the round's own trials before there is a policy", async () => {
    const roundId = 'cm.first';
    await rig.prepare(roundId, of('cm', { caps: { maxPolicyDeviceSeconds: 0.5 } }));
    for (const spec of await rig.planned(roundId, 'edits')) {
      await rig.propose(spec);
      await rig.score(spec, 1, 1, reward(spec.index + 1));
    }
    await rig.activities.selectEdits({ roundId });
    expect(await rig.activities.buildPolicyTraining({ roundId })).toEqual({
      pairs: 2,
      training: null,
      refused: expect.stringMatching(/on 2 pairs takes 2 steps and about 1 s.*this round's trials/) as string,
    });
  });
});

describe('the policy update', () => {
  const input = of('co', { editsPerSource: 4, policy: { update: 'advantage-weighted' } });
  const pairsOf = async (roundId: string): Promise<[string, number][]> => {
    const { dataset } = (await rig.ledger.policies.get(roundId))?.request ?? {};
    if (dataset === undefined) throw new Error('no policy');
    const lines = (await (await rig.store.open(dataset)).text('data.jsonl')).trim().split('\n');
    return lines.map((line) => {
      const { messages, weight = 1 } = JSON.parse(line) as { messages: { content: string }[]; weight?: number };
      return [messages[1]?.content ?? '', Math.round(weight * 100) / 100];
    });
  };

  it('is the one that the config names, for earlier rounds too, and writes the weight of a pair', async () => {
    await rig.prepare('co.first', input);
    for (const spec of await rig.planned('co.first', 'edits')) {
      await rig.propose(spec);
      // candidates alternate between two documents; those of d2 are all equal
      await rig.score(spec, 1, 1, reward(spec.sourceId === 'd1' ? ([0.2, 0.6, 0, 0.4][spec.index / 2] ?? 0) : 0.5));
    }
    await rig.activities.selectEdits({ roundId: 'co.first' });
    await rig.trainPolicy('co.first');
    const learnt = [
      ['wrote co.first.edits.s00.e0002', 1.16],
      ['wrote co.first.edits.s00.e0006', 0.39],
    ];
    expect(await pairsOf('co.first')).toEqual(learnt);
    expect((await rig.ledger.policies.get('co.first'))?.pairs).toBe(2);

    await rig.reported('co.second', { ...input, seed: 18, editsPerSource: 1, earlierRounds: ['co.first'] });
    expect(await pairsOf('co.second')).toEqual(learnt);
    await rig.reported('co.chosen', { ...of('co'), earlierRounds: ['co.first'] });
    expect(await pairsOf('co.chosen')).toEqual([
      ['wrote co.first.edits.s00.e0002', 1],
      ['wrote co.first.edits.s00.e0001', 1],
      [expect.stringContaining('co.chosen'), 1],
      [expect.stringContaining('co.chosen'), 1],
    ]);
  });
});

describe('endOrphans', () => {
  it('looks for the shards of a round that may be under way, and its gate', async () => {
    const roundId = 'cn.reset';
    await rig.prepare(roundId, of('cn'));
    const [first, ...rest] = await rig.planned(roundId, 'edits');
    const children = async (): Promise<string[]> => {
      rig.orphansLookedFor.length = 0;
      await rig.activities.endOrphans({ parentId: roundId });
      expect(rig.orphansLookedFor.every(([, parentId]) => parentId === roundId)).toBe(true);
      return rig.orphansLookedFor.map(([workflowId]) => workflowId);
    };
    expect(await children()).toEqual(['cn.reset.edits.s00', 'cn.reset.gate-release']);
    for (const spec of rest) await rig.fail(spec, 'cancelled', '');
    expect(await children()).toContain('cn.reset.edits.s00');
    if (first) await rig.fail(first, 'cancelled', '');
    expect(await children()).toEqual(['cn.reset.gate-release']);
    rig.orphansLookedFor.length = 0;
    await rig.activities.endOrphans({ parentId: 'cn.camp', workflowId: 'cn.camp.r0001' });
    expect(rig.orphansLookedFor).toEqual([['cn.camp.r0001', 'cn.camp']]);
  });
});
