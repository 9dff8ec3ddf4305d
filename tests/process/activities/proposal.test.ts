import { describe, expect, it } from 'vitest';
import { emptyResult, resolveRecipe, roundConfigSchema, servedName } from '../../../src/contract/index.js';
import { type FakeQuestion } from '../../support/fake-model-server.js';
import { scriptedDomain } from '../../support/scripted-domain.js';
import { inActivity, useLlmRig } from '../../support/llm-rig.js';

const rig = useLlmRig();

const { sampling } = roundConfigSchema.parse({});

describe('proposeSelfEdit', () => {
  const writing =
    (text: string) =>
    ({ prompt }: FakeQuestion): string =>
      prompt.startsWith('Plan') ? '{"epochs":3,"learningRate":0.002}' : text;

  it('has the writer write, publishes the dataset, and says how to train; a second attempt asks nothing', async () => {
    const { roundId, old } = await rig.prepareRound({ caps: { maxStepsPerTrial: 7 } });
    const trialId = await rig.planTrial(roundId);
    rig.server.answer = writing('Seals swim.\nSeals sleep.');
    const proposed = await inActivity(() => rig.llm.proposeSelfEdit({ trialId }));
    if (proposed.status !== 'proposed') return expect.fail(proposed.reason);
    expect(proposed).toMatchObject({ examples: 3, clamps: 1 });
    expect(proposed.training).toMatchObject({ ...old, seed: 11, tenant: 'demo', recipe: { maxSteps: 7 } });
    const dataset = await (await rig.store.open(proposed.training.dataset)).text('data.jsonl');
    expect(dataset.split('\n').map((line) => (line === '' ? '' : (JSON.parse(line) as unknown)))).toEqual([
      { text: 'All about seals.' },
      { text: 'Seals swim.' },
      { text: 'Seals sleep.' },
      '',
    ]);
    expect(rig.server.asked('/v1/chat/completions')).toMatchObject([
      { temperature: sampling.temperature, top_p: sampling.topP, max_tokens: sampling.maxTokens, seed: 5 },
    ]);
    rig.server.answer = writing('Something else.');
    expect(await inActivity(() => rig.llm.proposeSelfEdit({ trialId }))).toEqual(proposed);
    expect(rig.generations()).toBe(1);
    const { proposalKey, training } = await rig.ledger.trials.get(trialId);
    expect(training).toEqual(proposed.training);
    expect(await rig.ledger.proposals.get(proposalKey ?? '')).toMatchObject({
      completions: ['Seals swim.\nSeals sleep.'],
      // the round's cap on steps is not the proposal's
      clamps: [],
    });
  });

  it('lets the model plan its own training, each step seeing the one before', async () => {
    const { roundId } = await rig.prepareRound();
    const edit = { kind: 'propose', writer: 'old', template: 'directed', seed: 5 } as const;
    const trialId = await rig.planTrial(roundId, { edit });
    rig.server.answer = writing('Seals swim.');
    const proposed = await inActivity(() => rig.llm.proposeSelfEdit({ trialId }));
    expect(proposed).toMatchObject({ training: { recipe: { epochs: 3, learningRate: 0.002 } } });
    const asked = rig.server.asked('/v1/chat/completions');
    expect(asked.map(({ seed }) => seed)).toEqual([5, 6]);
    expect(JSON.stringify(asked[1])).toContain('epochs');
  });

  it('records an invalid edit with its reason', async () => {
    const { roundId } = await rig.prepareRound();
    const trialId = await rig.planTrial(roundId);
    rig.server.answer = () => ' \n ';
    const invalid = { status: 'invalid', editDigest: null, reason: 'the completion has no line' };
    expect(await inActivity(() => rig.llm.proposeSelfEdit({ trialId }))).toEqual(invalid);
    const { proposalKey } = await rig.ledger.trials.get(trialId);
    expect(await rig.ledger.proposals.get(proposalKey ?? '')).toMatchObject({ invalidReason: invalid.reason });
    const again = await rig.planTrial(roundId, { purpose: 'confirm', edit: { kind: 'reuse', trialId } });
    expect(await inActivity(() => rig.llm.proposeSelfEdit({ trialId: again }))).toEqual(invalid);
  });

  it('takes the passage, or the edit of another trial, without asking anybody', async () => {
    const { roundId } = await rig.prepareRound();
    const first = await rig.planTrial(roundId);
    rig.server.answer = writing('Seals swim.');
    const proposed = await inActivity(() => rig.llm.proposeSelfEdit({ trialId: first }));
    const reuse = { purpose: 'confirm', edit: { kind: 'reuse', trialId: first } } as const;
    const same = await inActivity(async () =>
      rig.llm.proposeSelfEdit({ trialId: await rig.planTrial(roundId, reuse) }),
    );
    expect(same).toEqual(proposed);
    const other = { ...reuse, index: 1, trainingSeed: 12 };
    const reseeded = await inActivity(async () =>
      rig.llm.proposeSelfEdit({ trialId: await rig.planTrial(roundId, other) }),
    );
    expect(reseeded.editDigest).toBe(proposed.editDigest);
    expect(reseeded).not.toEqual(proposed);
    const passage = { purpose: 'controls', edit: { kind: 'passage', matchedTo: 'edits' } } as const;
    const control = await inActivity(async () =>
      rig.llm.proposeSelfEdit({ trialId: await rig.planTrial(roundId, passage) }),
    );
    expect(control).toMatchObject({ status: 'proposed', examples: 1, clamps: 0 });
    const missing = {
      ...reuse,
      index: 2,
      edit: { kind: 'reuse', trialId: await rig.planTrial(roundId, { index: 9 }) },
    } as const;
    const none = await inActivity(async () =>
      rig.llm.proposeSelfEdit({ trialId: await rig.planTrial(roundId, missing) }),
    );
    expect(none).toMatchObject({ status: 'invalid', reason: expect.stringContaining('proposed none') as string });
    expect(rig.generations()).toBe(1);
  });

  it('merges the edits of a document that were scored, and none that a screen stopped', async () => {
    const { roundId } = await rig.prepareRound();
    const edits = ['Seals swim.', 'Seals swim.\nSeals bark.', 'Seals fly.'];
    const scored = ['scored', 'scored', 'screened_out'] as const;
    for (const [index, edit] of edits.entries()) {
      const trialId = await rig.planTrial(roundId, {
        index,
        edit: { kind: 'propose', writer: 'old', template: 'self-qa', seed: index },
      });
      rig.server.answer = writing(edit);
      await inActivity(() => rig.llm.proposeSelfEdit({ trialId }));
      await rig.ledger.trials.record(emptyResult(trialId, scored[index] ?? 'scored', ''), 0, null);
    }
    const document = { purpose: 'controls', recipe: 'document', index: 1 } as const;
    const merged = await rig.planTrial(roundId, { ...document, edit: { kind: 'merged', of: 'edits' } });
    const proposed = await inActivity(() => rig.llm.proposeSelfEdit({ trialId: merged }));
    const { config } = await rig.ledger.rounds.prepared(roundId);
    expect(proposed).toMatchObject({
      status: 'proposed',
      examples: 3,
      training: { recipe: { batchSize: resolveRecipe(config.documentRecipe).batchSize } },
    });
    if (proposed.status !== 'proposed' || !proposed.training.replay) return expect.fail('no replay');
    const { dataset, ratio } = proposed.training.replay;
    expect(ratio).toBe(config.replay);
    const [prompt = ''] = scriptedDomain.replayPrompts;
    expect(JSON.parse(await (await rig.store.open(dataset)).text('data.jsonl'))).toEqual({
      prompt,
      completion: ' Seals fly.',
      teacher: { prompt },
    });
    const other = await rig.planTrial(roundId, {
      ...document,
      index: 2,
      sourceId: 'otters',
      edit: { kind: 'merged', of: 'edits' },
    });
    expect(await inActivity(() => rig.llm.proposeSelfEdit({ trialId: other }))).toMatchObject({
      status: 'invalid',
      reason: 'no edit of otters was scored',
    });
  });

  it('takes the rows that the domain makes by rule, without asking anybody', async () => {
    const { roundId } = await rig.prepareRound();
    const rules = { purpose: 'controls', recipe: 'document', edit: { kind: 'rules' } } as const;
    const proposed = await inActivity(async () =>
      rig.llm.proposeSelfEdit({ trialId: await rig.planTrial(roundId, rules) }),
    );
    expect(proposed).toMatchObject({ status: 'proposed', examples: 1 });
    expect(rig.generations()).toBe(0);
  });

  it('has a policy write through its adapter, probed against the base', async () => {
    const { roundId, old } = await rig.prepareRound();
    const policy = { ...old, stack: [await rig.publishAdapter('policy')] };
    await rig.ledger.rounds.setNew(roundId, policy);
    const trialId = await rig.planTrial(roundId, {
      edit: { kind: 'propose', writer: 'new', template: 'self-qa', seed: 5 },
    });
    await inActivity(() => rig.llm.proposeSelfEdit({ trialId }));
    expect(rig.server.asked('/v1/chat/completions')).toMatchObject([{ model: servedName(policy) }]);
    expect(rig.server.asked('/v1/load_lora_adapter')).toEqual([
      { lora_name: servedName(policy), lora_path: expect.stringContaining(rig.root) as string },
    ]);
    expect(rig.server.adapters.size).toBe(0);
  });
});
