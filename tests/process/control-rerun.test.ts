import { describe, expect, it } from 'vitest';
import type { Phase, TrialResult, TrialSpec } from '../../src/contract/index.js';
import { reward, useControlRig } from '../support/control-rig.js';

// A round that ends early, and the same round run again under its id.
const rig = useControlRig();

const outcomesOf = async (roundId: string, phase: Phase): Promise<(string | undefined)[]> =>
  (await rig.ledger.trials.ofPhase(roundId, phase)).map(({ result }) => result?.outcome);

/** What a run of the shard does first. */
const begin = (roundId: string, phase: Phase): Promise<unknown> =>
  rig.activities.loadShard({ roundId, phase, shard: 0, begins: true });

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
    await rig.activities.closeRound({ roundId, status: 'cancelled', reason: 'Cancelled: by hand' });
    expect(await outcomesOf(roundId, 'edits')).toEqual(['scored', 'invalid_edit', 'cancelled', 'cancelled']);
    const { result } = await rig.ledger.trials.get(third.trialId);
    expect(result).toMatchObject({ trialId: third.trialId, deviceSeconds: 0, editDigest: null });
    expect(result?.reason).toBe('the round was cancelled before this trial began');
    // a late attempt is told what stands
    expect(await rig.score(third, 1, 1)).toEqual(result);
  });

  it('says so of a failed round too, and leaves a completed one as it is', async () => {
    await fourEdits('failed');
    await rig.activities.closeRound({ roundId: 'failed', status: 'failed', reason: 'RoundFailed: lost' });
    expect(await outcomesOf('failed', 'edits')).toEqual(Array(4).fill('cancelled'));
    await fourEdits('completed');
    await rig.activities.closeRound({ roundId: 'completed', status: 'completed', reason: '' });
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
    await rig.activities.closeRound({ roundId, status: 'cancelled', reason: '' });

    await rig.prepare(roundId);
    await rig.planned(roundId, 'edits');
    await begin(roundId, 'edits');
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
    await rig.activities.loadShard({ roundId, phase: 'edits', shard: 0, begins: false });
    expect((await outcomesOf(roundId, 'edits'))[0]).toBe('cancelled');
    await Promise.all(Array.from({ length: 5 }, () => begin(roundId, 'edits')));
    expect((await outcomesOf(roundId, 'edits'))[0]).toBeUndefined();
    expect(await rig.ledger.trials.earlierOutcomes(roundId)).toHaveLength(1);
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
    await begin(roundId, 'edits');
    expect((await outcomesOf(roundId, 'edits'))[3]).toBe('infra_failure');

    // the examination may be repeated until its documents are crossed
    const [h1old, h1new, h2old, h2new] = await rig.planned(roundId, 'examine');
    if (!h1old || !h1new || !h2old || !h2new) throw new Error('four trials');
    for (const spec of [h1old, h1new, h2old]) await rig.score(spec, 1, 1);
    await rig.fail(h2new, 'cancelled', 'by hand');
    await begin(roundId, 'examine');
    expect((await outcomesOf(roundId, 'examine'))[3]).toBeUndefined();
    await rig.fail(h2new, 'cancelled', 'by hand');
    const [crossed] = await rig.planned(roundId, 'cross');
    await begin(roundId, 'examine');
    expect((await outcomesOf(roundId, 'examine'))[3]).toBe('cancelled');

    // and everything until there is a report
    if (!crossed) throw new Error('a crossed trial');
    await rig.fail(crossed, 'cancelled', 'by hand');
    await begin(roundId, 'cross');
    expect((await outcomesOf(roundId, 'cross'))[0]).toBeUndefined();
    await rig.fail(crossed, 'cancelled', 'by hand');
    await rig.activities.buildReport({ roundId });
    await begin(roundId, 'cross');
    expect((await outcomesOf(roundId, 'cross'))[0]).toBe('cancelled');
  });
});
