import { rm } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { type TrialSpec } from '../../../src/contract/index.js';
import { inActivity, knowing, useLlmRig } from '../../support/llm-rig.js';

const rig = useLlmRig();

describe('evaluateAdapter', () => {
  /** The base knows these; the adapter knows these. */
  const knowledge = (ofBase: string[], ofAdapter: string[]) => {
    rig.server.answer = (question) => knowing(...(question.model === 'base' ? ofBase : ofAdapter))(question);
  };

  it('rewards what was learnt on questions A, less the canaries lost; those never known do not count', async () => {
    const { roundId } = await rig.prepareRound({ reward: { measure: 'match' } });
    const trialId = await rig.planTrial(roundId);
    const training = await rig.trainedTo(`${roundId} a`);
    knowledge(['seals-a1', 'sky', 'grass'], ['seals-a1', 'seals-a2', 'seals-b1', 'grass', 'snow']);
    const result = await inActivity(() => rig.llm.evaluateAdapter({ trialId, training }));
    expect(result).toMatchObject({
      status: 'scored',
      evaluation: {
        a: { questions: 2, means: { match: 1 } },
        b: { questions: 2, means: { match: 0.5 } },
        otherSource: null,
        canaries: { asked: 2, lost: 1 },
        reward: { gain: 0.5, penalty: 0.25, total: 0.25 },
      },
    });
    const asked = rig.generations();
    // baseline: 2 A and 3 canaries; after: 4 and the 2 known canaries
    expect(asked).toBe(11);
    expect(await inActivity(() => rig.llm.evaluateAdapter({ trialId, training }))).toEqual(result);
    expect(rig.generations()).toBe(asked);
    expect(rig.server.adapters.size).toBe(0);
  });

  it('asks each purpose its own questions', async () => {
    const { roundId } = await rig.prepareRound();
    knowledge([], ['seals-b1', 'otters-b1', 'otters-b2', 'gulls-a1']);
    const evaluate = async (given: Partial<TrialSpec>) => {
      const trialId = await rig.planTrial(roundId, given);
      const training = await rig.trainedTo(trialId);
      const result = await inActivity(() => rig.llm.evaluateAdapter({ trialId, training }));
      return result.status === 'scored' ? result.evaluation : expect.fail(result.reason);
    };
    expect(await evaluate({ purpose: 'controls', edit: { kind: 'passage', matchedTo: 'edits' } })).toMatchObject({
      a: { means: { match: 0 } },
      b: { means: { match: 0.5 } },
      otherSource: null,
      canaries: null,
    });
    expect(await evaluate({ purpose: 'confirm' })).toMatchObject({
      a: null,
      b: { means: { match: 0.5 } },
      otherSource: { questions: 2, means: { match: 1 } },
      canaries: { asked: 0, lost: 0 },
      reward: null,
    });
    expect(await evaluate({ purpose: 'confirm', index: 1, sourceId: 'otters' })).toMatchObject({
      b: { means: { match: 1 } },
      otherSource: { means: { match: 0.5 } },
    });
    expect(await evaluate({ purpose: 'examine', sourceId: 'gulls' })).toMatchObject({
      a: { means: { match: 0.5 } },
      b: { means: { match: 0 } },
    });
  });

  it('has no other document to ask where the round has one alone', async () => {
    const { roundId } = await rig.prepareRound();
    const { corpora } = rig.ledger;
    expect((await corpora.nextTrainSource(roundId, 'seals'))?.sourceId).toBe('otters');
    expect((await corpora.nextTrainSource(roundId, 'otters'))?.sourceId).toBe('seals');
    expect(await corpora.nextTrainSource(roundId, 'gulls')).toBeNull();
  });

  it('trains no weight: no effect, and nobody is asked', async () => {
    const { roundId } = await rig.prepareRound();
    const trialId = await rig.planTrial(roundId);
    const training = await rig.trainedTo(`${roundId} idle`, 0);
    expect(await inActivity(() => rig.llm.evaluateAdapter({ trialId, training }))).toMatchObject({
      status: 'no_effect',
    });
    expect(rig.server.requests).toEqual([]);
  });

  it('a server that answers as the base is found out, whatever it said to the load', async () => {
    const { roundId } = await rig.prepareRound();
    const trialId = await rig.planTrial(roundId);
    const training = await rig.trainedTo(`${roundId} base`);
    rig.server.appliesAdapters = false;
    await expect(inActivity(() => rig.llm.evaluateAdapter({ trialId, training }))).rejects.toMatchObject({
      type: 'AdapterNotApplied',
      nonRetryable: false,
    });
    rig.server.appliesAdapters = true;
    expect(await inActivity(() => rig.llm.evaluateAdapter({ trialId, training }))).toMatchObject({ status: 'scored' });
  });

  it('an adapter that is not in the store is refused for good', async () => {
    const { roundId } = await rig.prepareRound();
    const trialId = await rig.planTrial(roundId);
    const training = await rig.trainedTo(`${roundId} lost`);
    await rm((await rig.store.open(training.adapter.served)).folder, { recursive: true });
    await expect(inActivity(() => rig.llm.evaluateAdapter({ trialId, training }))).rejects.toMatchObject({
      type: 'CorruptArtifact',
      nonRetryable: true,
    });
  });

  it('evaluates trials of several adapters at once, each by its own', async () => {
    const { roundId } = await rig.prepareRound();
    const trials = await Promise.all(
      ['seals', 'otters', 'gulls'].map(async (sourceId, index) => ({
        trialId: await rig.planTrial(roundId, { index, sourceId }),
        training: await rig.trainedTo(`${roundId} ${sourceId}`),
      })),
    );
    rig.server.answer = ({ model }) => model;
    const results = await Promise.all(trials.map((trial) => inActivity(() => rig.llm.evaluateAdapter(trial))));
    expect(results.map(({ status }) => status)).toEqual(['scored', 'scored', 'scored']);
    expect(rig.server.adapters.size).toBe(0);
  });
});
