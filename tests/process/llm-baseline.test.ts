import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import { inActivity, quiet, useLlmRig } from '../support/llm-rig.js';

const rig = useLlmRig();

describe('measureBaseline', () => {
  it('asks every document from memory, training questions B in context, and canaries; and nothing twice', async () => {
    const { roundId } = await rig.prepareRound();
    rig.server.delayMs = 20;
    // three documents × 4, 2 × 2 in context, 3 canaries
    expect(await inActivity(() => rig.llm.measureBaseline({ roundId, learner: 'old' }))).toEqual({
      asked: 19,
      cached: 0,
    });
    expect(rig.generations()).toBe(19);
    expect(rig.server.asked('/v1/chat/completions')[0]).toMatchObject({
      model: 'base',
      max_tokens: 24,
      temperature: 0,
    });
    expect(await inActivity(() => rig.llm.measureBaseline({ roundId, learner: 'old' }))).toEqual({
      asked: 0,
      cached: 19,
    });
    expect(rig.generations()).toBe(19);
    // every question asks for an answer, some also for a likelihood
    expect(rig.server.mostOpen).toBeLessThanOrEqual(2 * 64);
    expect(rig.server.mostOpen).toBeGreaterThan(1);
  });

  it('goes on where a failed attempt stopped, and waits for what the server asks', async () => {
    const { roundId } = await rig.prepareRound();
    let questions = 0;
    rig.server.answer = ({ prompt }) => {
      questions += 1;
      if (questions === 9) rig.server.failNext({ kind: 'status', status: 429, headers: { 'retry-after': '3' } });
      return prompt;
    };
    await expect(inActivity(() => rig.llm.measureBaseline({ roundId, learner: 'old' }))).rejects.toMatchObject({
      type: 'RateLimited',
      nextRetryDelay: 3000,
    });
    const { asked, cached } = await inActivity(() => rig.llm.measureBaseline({ roundId, learner: 'old' }));
    expect(asked + cached).toBe(19);
    expect(cached).toBeGreaterThanOrEqual(8);
    expect(asked).toBeGreaterThan(0);
  });

  it('beats while it asks and stops when it is cancelled', async () => {
    const { roundId } = await rig.prepareRound();
    const environment = new MockActivityEnvironment({ heartbeatTimeoutMs: 60 }, quiet);
    const beats: unknown[] = [];
    environment.on('heartbeat', (details: unknown) => {
      beats.push(details);
      if (beats.length === 8) environment.cancel('CANCELLED');
    });
    rig.server.failNext({ kind: 'hang' }, { path: '/chat/completions', times: 100 });
    await expect(inActivity(() => rig.llm.measureBaseline({ roundId, learner: 'old' }), environment)).rejects.toThrow(
      'CANCELLED',
    );
    expect(beats[0]).toEqual({ doing: 'preparing', done: 0, of: 0 });
    expect(beats).toContainEqual({ doing: 'baseline of the old policy', done: 0, of: 19 });
  });

  it('refuses a request that does not parse, and a round that is not prepared, for good', async () => {
    for (const request of [{ roundId: 'nowhere', learner: 'old' }, { learner: 'old' }]) {
      await expect(inActivity(() => rig.llm.measureBaseline(request as never))).rejects.toMatchObject({
        type: 'InvalidRequest',
        nonRetryable: true,
      });
    }
  });
});
