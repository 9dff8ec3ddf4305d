import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it, vi } from 'vitest';
import { inActivity, quiet, useLlmRig } from '../../support/llm-rig.js';

// What the activities that ask a model server make of one that is absent, busy or slow.

const rig = useLlmRig();

const questions = '/chat/completions';
const within = (ms: number): MockActivityEnvironment =>
  new MockActivityEnvironment({ startToCloseTimeoutMs: ms }, quiet);
const planned = async (): Promise<string> => {
  const { roundId } = await rig.prepareRound();
  const edit = { kind: 'propose', writer: 'old', template: 'directed', seed: 5 } as const;
  rig.server.answer = ({ prompt }) => (prompt.startsWith('Plan') ? '{"epochs":3}' : 'Seals swim.');
  return rig.planTrial(roundId, { edit });
};

describe('a proposal of two steps', () => {
  it('that loses the second asks only that one again', async () => {
    const trialId = await planned();
    rig.server.failNext({ kind: 'break' }, { path: questions, after: 1 });
    const propose = () => inActivity(() => rig.llm.proposeSelfEdit({ trialId }));
    await expect(propose()).rejects.toMatchObject({ type: 'ServerUnavailable' });
    expect(await propose()).toMatchObject({ status: 'proposed', training: { recipe: { epochs: 3 } } });
    const asked = rig.server.asked('/v1/chat/completions').map(({ seed }) => seed);
    expect(asked).toEqual([5, 6, 6]);
  });

  it('whose first step stands is judged by that when its time is over, and goes on', async () => {
    const trialId = await planned();
    rig.server.failNext({ kind: 'hang' }, { path: questions, after: 1 });
    await expect(inActivity(() => rig.llm.proposeSelfEdit({ trialId }), within(2000))).rejects.toMatchObject({
      type: 'ServerBusy',
      details: [{ progressed: true }],
      message: expect.stringContaining('answered 1 of the questions') as string,
    });
    rig.server.failNext({ kind: 'hang' }, { path: questions });
    await expect(inActivity(() => rig.llm.proposeSelfEdit({ trialId }), within(2000))).rejects.toMatchObject({
      type: 'ServerSlow',
      nonRetryable: false,
    });
    expect(await inActivity(() => rig.llm.proposeSelfEdit({ trialId }))).toMatchObject({ status: 'proposed' });
  });
});

describe('a baseline', () => {
  it('of a server that is slow is asked bit by bit, and nothing twice', async () => {
    const { roundId } = await rig.prepareRound();
    rig.askBy({ open: 2 });
    rig.server.delayMs = 150;
    let attempts = 0;
    let measured: unknown = null;
    while (measured === null) {
      attempts += 1;
      measured = await inActivity(
        () => rig.llm.measureBaseline({ roundId, learner: 'old', part: 0 }),
        within(2000),
      ).catch((error: unknown) => {
        expect(error).toMatchObject({ type: 'ServerBusy', details: [{ progressed: true }] });
        return null;
      });
    }
    expect(attempts).toBeGreaterThan(1);
    // at most what was open when an attempt ended is asked again
    expect(rig.generations()).toBeLessThanOrEqual(19 + 2 * (attempts - 1));
  });

  it('of a server that is busy throughout is left to the workflow', async () => {
    const { roundId } = await rig.prepareRound();
    rig.askBy({ patienceMs: 0 });
    rig.server.failNext({ kind: 'status', status: 503 }, { times: Infinity });
    await expect(inActivity(() => rig.llm.measureBaseline({ roundId, learner: 'old', part: 0 }))).rejects.toMatchObject(
      {
        type: 'ServerBusy',
        details: [{}],
      },
    );
  });

  it('gives up all of its questions with the first that fails', async () => {
    const { roundId } = await rig.prepareRound();
    rig.server.failNext({ kind: 'status', status: 500 });
    rig.server.failNext({ kind: 'hang' }, { times: Infinity });
    await expect(inActivity(() => rig.llm.measureBaseline({ roundId, learner: 'old', part: 0 }))).rejects.toThrow(
      '500',
    );
  });

  it('waits in line behind another, and says so', async () => {
    const [first, second] = [await rig.prepareRound(), await rig.prepareRound()];
    rig.askBy({ open: 1 });
    rig.server.failNext({ kind: 'hang' }, { path: questions, times: Infinity });
    const before = new MockActivityEnvironment({ startToCloseTimeoutMs: 60_000 }, quiet);
    const ahead = inActivity(
      () => rig.llm.measureBaseline({ roundId: first.roundId, learner: 'old', part: 0 }),
      before,
    );
    ahead.catch(() => undefined);
    await vi.waitFor(() => expect(rig.generations()).toBe(1), 10_000);
    const environment = new MockActivityEnvironment({ startToCloseTimeoutMs: 2000, heartbeatTimeoutMs: 300 }, quiet);
    const beats: unknown[] = [];
    environment.on('heartbeat', (beat: unknown) => beats.push(beat));
    await expect(
      inActivity(() => rig.llm.measureBaseline({ roundId: second.roundId, learner: 'old', part: 0 }), environment),
    ).rejects.toMatchObject({ type: 'ServerBusy', message: expect.stringContaining('in line') as string });
    expect(beats).toContainEqual(
      expect.objectContaining({ waitingFor: expect.stringMatching(/^queued: \d+ questions are in line/) as string }),
    );
    before.cancel('CANCELLED');
    await expect(ahead).rejects.toThrow('CANCELLED');
  });
});

it('a check that the server does not answer counts, since it waits for nobody', async () => {
  const { roundId } = await rig.prepareRound();
  rig.server.failNext({ kind: 'hang' }, { times: Infinity });
  await expect(inActivity(() => rig.llm.checkServer({ roundId }), within(500))).rejects.toMatchObject({
    type: 'ServerSlow',
  });
});
