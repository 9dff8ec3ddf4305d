import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import { inActivity, quiet, useLlmRig } from '../../support/llm-rig.js';

const rig = useLlmRig();

describe('measureBaseline', () => {
  it('asks every document from memory, training questions B in context, and canaries; and nothing twice', async () => {
    const { roundId } = await rig.prepareRound();
    rig.server.delayMs = 20;
    // three documents × 4, 2 × 2 in context, 3 canaries
    expect(await inActivity(() => rig.llm.measureBaseline({ roundId, learner: 'old', part: 0 }))).toEqual({
      asked: 19,
      cached: 0,
    });
    expect(rig.generations()).toBe(19);
    expect(rig.server.asked('/v1/chat/completions')[0]).toMatchObject({
      model: 'base',
      max_tokens: 24,
      temperature: 0,
    });
    expect(await inActivity(() => rig.llm.measureBaseline({ roundId, learner: 'old', part: 0 }))).toEqual({
      asked: 0,
      cached: 19,
    });
    expect(rig.generations()).toBe(19);
    // every question asks for an answer, some also for a likelihood
    expect(rig.server.mostOpen).toBeLessThanOrEqual(2 * 64);
    expect(rig.server.mostOpen).toBeGreaterThan(1);
  });

  it('takes the documents in parts, canaries with the first, and counts their passages', async () => {
    const { roundId } = await rig.prepareRound();
    const { corpora } = rig.ledger;
    const ids = async (from: number) =>
      (await corpora.roundPart(roundId, from, 2)).map(({ role, sourceId }) => [role, sourceId]);
    expect(await ids(0)).toEqual([
      ['train', 'seals'],
      ['train', 'otters'],
    ]);
    expect(await ids(2)).toEqual([['heldOut', 'gulls']]);
    expect(await inActivity(() => rig.llm.measureBaseline({ roundId, learner: 'old', part: 1 }))).toEqual({
      asked: 0,
      cached: 0,
    });
    await inActivity(() => rig.llm.measureBaseline({ roundId, learner: 'old', part: 0 }));
    // the server's tokens are words or so
    const counted = await corpora.longerThan(roundId, 0);
    expect(counted.map(({ sourceId }) => sourceId).sort()).toEqual(['gulls', 'otters', 'seals']);
    const [longest] = counted;
    expect(await corpora.longerThan(roundId, longest?.tokens ?? 0)).toEqual([]);
  });

  it('goes on where a failed attempt stopped', async () => {
    const { roundId } = await rig.prepareRound();
    let questions = 0;
    rig.server.answer = ({ prompt }) => {
      questions += 1;
      if (questions === 9) rig.server.failNext({ kind: 'status', status: 500 });
      return prompt;
    };
    await expect(inActivity(() => rig.llm.measureBaseline({ roundId, learner: 'old', part: 0 }))).rejects.toThrow(
      '500',
    );
    const { asked, cached } = await inActivity(() => rig.llm.measureBaseline({ roundId, learner: 'old', part: 0 }));
    expect(asked + cached).toBe(19);
    expect(cached).toBeGreaterThan(0);
    expect(asked).toBeGreaterThan(0);
  });

  it('beats while it asks and stops when it is cancelled', async () => {
    const { roundId } = await rig.prepareRound();
    const environment = new MockActivityEnvironment({ heartbeatTimeoutMs: 60, startToCloseTimeoutMs: 60_000 }, quiet);
    const beats: unknown[] = [];
    environment.on('heartbeat', (details: unknown) => {
      beats.push(details);
      if (beats.length === 8) environment.cancel('CANCELLED');
    });
    rig.server.failNext({ kind: 'hang' }, { path: '/chat/completions', times: 100 });
    await expect(
      inActivity(() => rig.llm.measureBaseline({ roundId, learner: 'old', part: 0 }), environment),
    ).rejects.toThrow('CANCELLED');
    expect(beats[0]).toEqual({ doing: 'preparing', done: 0, of: 0, waitingFor: null });
    expect(beats).toContainEqual({
      doing: 'baseline of the old policy',
      done: 0,
      of: 19,
      waitingFor: null,
    });
  });

  it('refuses a request that does not parse, and a round that is not prepared, for good', async () => {
    for (const request of [{ roundId: 'nowhere', learner: 'old', part: 0 }, { learner: 'old' }]) {
      await expect(inActivity(() => rig.llm.measureBaseline(request as never))).rejects.toMatchObject({
        type: 'InvalidRequest',
        nonRetryable: true,
      });
    }
  });
});
