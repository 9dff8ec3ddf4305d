import { describe, expect, it } from 'vitest';
import { emptyResult, type TrialSpec } from '../../../src/contract/index.js';
import { documents, inActivity, useLlmRig } from '../../support/llm-rig.js';

const rig = useLlmRig();

describe('screenSelfEdit', () => {
  const propose = async (roundId: string, text: string, given: Partial<TrialSpec> = {}): Promise<string> => {
    const trialId = await rig.planTrial(roundId, given);
    rig.server.answer = () => text;
    await inActivity(() => rig.llm.proposeSelfEdit({ trialId }));
    return trialId;
  };

  it('blocks a secret, without repeating it, and stands by its first verdict', async () => {
    const { roundId } = await rig.prepareRound();
    const secret = ['ghp', 'wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx'].join('_');
    const trialId = await propose(roundId, `Seals swim far in the cold water every day.\nThe token is ${secret}.`);
    const screened = await inActivity(() => rig.llm.screenSelfEdit({ trialId }));
    expect(screened).toMatchObject({ verdict: 'block', outcome: 'screened_out' });
    expect(screened.reason).not.toContain(secret);
    expect(await inActivity(() => rig.llm.screenSelfEdit({ trialId }))).toEqual(screened);
    expect((await rig.ledger.trials.get(trialId)).screen).toMatchObject(screened);
  });

  it('allows an edit, blocks the same edit again, and keeps the evidence', async () => {
    const { roundId } = await rig.prepareRound();
    const text = 'Seals swim far in the cold water every day.\nThey sleep on the rocks at noon.';
    const first = await propose(roundId, text);
    expect(await inActivity(() => rig.llm.screenSelfEdit({ trialId: first }))).toEqual({
      verdict: 'allow',
      outcome: null,
      reason: '',
    });
    const edit = { kind: 'propose', writer: 'old', template: 'self-qa', seed: 6 } as const;
    const second = await propose(roundId, text, { index: 1, edit });
    expect(await inActivity(() => rig.llm.screenSelfEdit({ trialId: second }))).toMatchObject({
      verdict: 'block',
      outcome: 'duplicate',
      reason: expect.stringContaining(first) as string,
    });
    expect((await rig.ledger.trials.get(second)).screen).toMatchObject({ findings: [{ rule: 'near-duplicate' }] });
  });

  it('finds the same twin whichever is written first', async () => {
    const { roundId } = await rig.prepareRound();
    const text = 'Seals swim far in the cold water every day.\nThey sleep on the rocks at noon.';
    const first = await rig.planTrial(roundId);
    const edit = { kind: 'propose', writer: 'old', template: 'self-qa', seed: 6 } as const;
    const second = await propose(roundId, text, { index: 1, edit });
    const screen = (trialId: string) => inActivity(() => rig.llm.screenSelfEdit({ trialId }));
    const waits = { verdict: 'wait', outcome: null, reason: 'waits until 1 earlier candidates of seals are written' };
    expect(await screen(second)).toEqual(waits);
    expect((await rig.ledger.trials.get(second)).screen).toBeNull();
    rig.server.answer = () => text;
    await inActivity(() => rig.llm.proposeSelfEdit({ trialId: first }));
    expect(await screen(second)).toMatchObject({ verdict: 'block', outcome: 'duplicate' });
    expect(await screen(first)).toMatchObject({ verdict: 'allow' });
  });

  it('compares no edits of two writers', async () => {
    const { roundId } = await rig.prepareRound();
    await rig.ledger.rounds.setNew(roundId, (await rig.ledger.rounds.prepared(roundId)).old);
    const text = 'Seals swim far in the cold water every day.\nThey sleep on the rocks at noon.';
    const edit = { kind: 'propose', template: 'self-qa', seed: 6 } as const;
    await propose(roundId, text, { purpose: 'examine', edit: { ...edit, writer: 'old' } });
    const second = await propose(roundId, text, { purpose: 'examine', index: 1, edit: { ...edit, writer: 'new' } });
    expect(await inActivity(() => rig.llm.screenSelfEdit({ trialId: second }))).toMatchObject({ verdict: 'allow' });
  });

  it('does not wait for a candidate that was given up', async () => {
    const { roundId } = await rig.prepareRound();
    const first = await rig.planTrial(roundId);
    const edit = { kind: 'propose', writer: 'old', template: 'self-qa', seed: 6 } as const;
    const second = await propose(roundId, 'Seals swim far in the cold water every day.', { index: 1, edit });
    await rig.ledger.trials.record(emptyResult(first, 'infra_failure', 'lost'), 0, null);
    expect(await inActivity(() => rig.llm.screenSelfEdit({ trialId: second }))).toMatchObject({ verdict: 'allow' });
  });

  it('blocks an edit that asks what it will be asked', async () => {
    const { roundId } = await rig.prepareRound();
    const questions = documents[0]?.items.map(({ content }) => `${content.question} ${content.answer}`) ?? [];
    const trialId = await propose(roundId, questions.join('\n'));
    expect(await inActivity(() => rig.llm.screenSelfEdit({ trialId }))).toMatchObject({
      verdict: 'block',
      outcome: 'screened_out',
      reason: expect.stringContaining('copied-question') as string,
    });
  });

  it('allows a passage and an edit used again without a look', async () => {
    const { roundId } = await rig.prepareRound();
    const passage = await rig.planTrial(roundId, {
      purpose: 'controls',
      edit: { kind: 'passage', matchedTo: 'edits' },
    });
    const reuse = await rig.planTrial(roundId, { purpose: 'confirm', edit: { kind: 'reuse', trialId: passage } });
    for (const trialId of [passage, reuse]) {
      expect(await inActivity(() => rig.llm.screenSelfEdit({ trialId }))).toMatchObject({
        verdict: 'allow',
        outcome: null,
      });
    }
  });
});
