import { describe, expect, it } from 'vitest';
import {
  canonicalDigest,
  emptyResult,
  roundConfigSchema,
  type Purpose,
  type TrialResult,
  type TrialSpec,
} from '../../../src/contract/index.js';
import { reward, small, useControlRig } from '../../support/control-rig.js';

// A round that ends early, and the same round run again under its id.
const rig = useControlRig();

const outcomesOf = async (roundId: string, purpose: Purpose): Promise<(string | undefined)[]> =>
  (await rig.ledger.trials.ofPurpose(roundId, purpose)).map(({ result }) => result?.outcome);

async function fourEdits(roundId: string): Promise<[TrialSpec, TrialSpec, TrialSpec, TrialSpec]> {
  await rig.prepare(roundId);
  const [a, b, c, d] = await rig.planned(roundId, 'edits');
  if (!a || !b || !c || !d) throw new Error('four trials');
  return [a, b, c, d];
}

describe('a round that is cancelled', () => {
  it('leaves no trial without an outcome; what was recorded stands', async () => {
    const roundId = 'cancelled';
    const [first, second, third] = await fourEdits(roundId);
    await rig.score(first, 1, 1, reward(1));
    await rig.fail(second, 'invalid_edit', 'no lines');
    await rig.close(roundId, 'cancelled', 'Cancelled: by hand');
    expect(await outcomesOf(roundId, 'edits')).toEqual(['scored', 'invalid_edit', 'cancelled', 'cancelled']);
    const { result } = await rig.ledger.trials.get(third.trialId);
    expect(result).toMatchObject({ trialId: third.trialId, deviceSeconds: 0, editDigest: null });
    expect(result?.reason).toBe('the round was cancelled before this trial began');
    // a late attempt is told what stands
    expect(await rig.score(third, 1, 1)).toEqual(result);
  });

  it('says so of a failed round too, and leaves a completed one as it is', async () => {
    await fourEdits('failed');
    await rig.close('failed', 'failed', 'RoundFailed: lost');
    expect(await outcomesOf('failed', 'edits')).toEqual(Array(4).fill('cancelled'));
    await fourEdits('completed');
    await rig.close('completed', 'completed');
    expect(await outcomesOf('completed', 'edits')).toEqual(Array(4).fill(undefined));
  });
});

describe('a round that runs again under its id', () => {
  it('tries again what was cancelled or lost, and keeps every finding', async () => {
    const roundId = 'again';
    const [first, second, third, fourth] = await fourEdits(roundId);
    const scored = await rig.score(first, 1, 1, reward(1));
    await rig.fail(second, 'invalid_edit', 'no lines');
    await rig.fail(third, 'infra_failure', 'lost');
    await rig.close(roundId, 'cancelled');

    await rig.prepare(roundId);
    await rig.planned(roundId, 'edits');
    await rig.begin(roundId, 'edits');
    expect(await outcomesOf(roundId, 'edits')).toEqual(['scored', 'invalid_edit', undefined, undefined]);
    expect((await rig.ledger.trials.get(first.trialId)).result).toEqual(scored);
    expect(await rig.score(third, 1, 1, reward(0.5))).toMatchObject({ outcome: 'scored' });
    expect(await rig.fail(fourth, 'invalid_edit', 'no lines')).toMatchObject({ outcome: 'invalid_edit' });
    // what stood before is kept
    const earlier = await rig.ledger.trials.earlierOutcomes(roundId);
    expect(earlier.map(({ trialId, outcome }: TrialResult) => [trialId, outcome])).toEqual([
      [third.trialId, 'infra_failure'],
      [fourth.trialId, 'cancelled'],
    ]);
  });

  it('changes nothing by asking for the trials alone, nor by beginning twice', async () => {
    const roundId = 'twice';
    const [first] = await fourEdits(roundId);
    await rig.fail(first, 'cancelled', 'by hand');
    await rig.activities.loadShard({ roundId, purpose: 'edits', shard: 0, begins: null });
    expect((await outcomesOf(roundId, 'edits'))[0]).toBe('cancelled');
    const begins = { startedAtMs: 1_000 };
    const request = { roundId, purpose: 'edits' as const, shard: 0, begins };
    const loaded = await Promise.all(Array.from({ length: 5 }, () => rig.activities.loadShard(request)));
    expect(new Set(loaded.map(({ run }) => run)).size).toBe(1);
    expect((await outcomesOf(roundId, 'edits'))[0]).toBeUndefined();
    expect(await rig.ledger.trials.earlierOutcomes(roundId)).toHaveLength(1);
  });

  it('loads what is still to run, and what came of the rest', async () => {
    const roundId = 'resumed';
    const [first, second, third, fourth] = await fourEdits(roundId);
    expect((await rig.begin(roundId, 'edits')).open).toHaveLength(4);
    await rig.score(first, 1, 1, reward(-0.5));
    await rig.score(second, 1, 1, reward(0.25));
    await rig.fail(third, 'infra_failure', 'lost');
    const request = { roundId, purpose: 'edits' as const, shard: 0, begins: null };
    expect(await rig.activities.loadShard(request)).toEqual({
      run: 1,
      open: [{ index: fourth.index, edit: 'propose', about: expect.stringContaining(fourth.sourceId) as string }],
      recorded: { outcomes: { scored: 2, infra_failure: 1 }, deviceSeconds: 5, bestReward: 0.25 },
    });
    const again = await rig.begin(roundId, 'edits');
    expect(again).toMatchObject({ run: 2, recorded: { outcomes: { scored: 2 } } });
    expect(again.open.map(({ index }) => index)).toEqual([third.index, fourth.index]);
  });

  it('opens no outcome that something was built on', async () => {
    const roundId = 'built-on';
    const [first, second, third, fourth] = await fourEdits(roundId);
    for (const spec of [first, second, third]) {
      await rig.propose(spec);
      await rig.score(spec, 1, 1, reward(1));
    }
    await rig.fail(fourth, 'infra_failure', 'lost');
    await rig.activities.selectEdits({ roundId });
    await rig.trainPolicy(roundId);
    await rig.begin(roundId, 'edits');
    expect((await outcomesOf(roundId, 'edits'))[3]).toBe('infra_failure');

    // the examination may be repeated until its documents are crossed
    const [h1old, h1new, h2old, h2new] = await rig.planned(roundId, 'examine');
    if (!h1old || !h1new || !h2old || !h2new) throw new Error('four trials');
    for (const spec of [h1old, h1new, h2old]) await rig.score(spec, 1, 1);
    await rig.fail(h2new, 'cancelled', 'by hand');
    await rig.begin(roundId, 'examine');
    expect((await outcomesOf(roundId, 'examine'))[3]).toBeUndefined();
    await rig.fail(h2new, 'cancelled', 'by hand');
    const [crossed] = await rig.planned(roundId, 'cross');
    await rig.begin(roundId, 'examine');
    expect((await outcomesOf(roundId, 'examine'))[3]).toBe('cancelled');

    // and everything until there is a report
    if (!crossed) throw new Error('a crossed trial');
    await rig.fail(crossed, 'cancelled', 'by hand');
    await rig.begin(roundId, 'cross');
    expect((await outcomesOf(roundId, 'cross'))[0]).toBeUndefined();
    await rig.fail(crossed, 'cancelled', 'by hand');
    await rig.activities.buildReport({ roundId });
    await rig.begin(roundId, 'cross');
    expect((await outcomesOf(roundId, 'cross'))[0]).toBe('cancelled');
  });
});

describe('a late attempt of an older run', () => {
  const late = { startedAtMs: 1 };

  it('opens no outcome of the run under way', async () => {
    const roundId = 'late-begin';
    const [first, second] = await fourEdits(roundId);
    const older = await rig.activities.loadShard({ roundId, purpose: 'edits', shard: 0, begins: late });
    await rig.begin(roundId, 'edits');
    await rig.fail(first, 'cancelled', 'by hand');
    await rig.fail(second, 'infra_failure', 'lost');
    const before = await rig.ledger.trials.ofPurpose(roundId, 'edits');
    const again = await rig.activities.loadShard({ roundId, purpose: 'edits', shard: 0, begins: late });
    expect([older.run, again.run]).toEqual([1, 2]);
    expect(await rig.ledger.trials.ofPurpose(roundId, 'edits')).toEqual(before);
    expect(await rig.ledger.trials.earlierOutcomes(roundId)).toEqual([]);
  });

  it('records no outcome of a trial under way', async () => {
    const roundId = 'late-outcome';
    const [first, second] = await fourEdits(roundId);
    const { run } = await rig.activities.loadShard({ roundId, purpose: 'edits', shard: 0, begins: late });
    await rig.score(second, 1, 1, reward(1));
    await rig.begin(roundId, 'edits');
    const cancelled = { ...emptyResult(first.trialId, 'cancelled', 'the older run was cancelled'), run };
    await rig.activities.recordOutcome(cancelled);
    expect(await outcomesOf(roundId, 'edits')).toEqual([undefined, 'scored', undefined, undefined]);
    expect(await rig.score(first, 1, 1, reward(1))).toMatchObject({ outcome: 'scored' });
    // and it is told what stands
    expect(await rig.activities.recordOutcome(cancelled)).toMatchObject({ outcome: 'scored' });
  });

  it('closes neither the round under way nor its trials', async () => {
    const roundId = 'late-close';
    await fourEdits(roundId);
    const run = await rig.ledger.runs.latest(roundId);
    await rig.prepare(roundId);
    await rig.activities.closeRound({ roundId, run, status: 'cancelled', reason: 'the older run' });
    expect((await rig.ledger.rounds.get(roundId)).status).toBe('running');
    expect(await outcomesOf(roundId, 'edits')).toEqual(Array(4).fill(undefined));
    await rig.close(roundId, 'failed');
    expect((await rig.ledger.rounds.get(roundId)).status).toBe('failed');
    // a claim of the older run does not say that it runs
    const config = roundConfigSchema.parse(small);
    await rig.activities.claimRound({ roundId, config, configDigest: canonicalDigest(config), ...late });
    expect((await rig.ledger.rounds.get(roundId)).status).toBe('failed');
  });
});
