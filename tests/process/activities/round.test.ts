import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { evidenceOf, readReport } from '../../../examples/approval-bot/report.mjs';
import { canonicalDigest, textDigest, type TrainRequest } from '../../../src/contract/index.js';
import { adapter, reward, scores, small, useControlRig } from '../../support/control-rig.js';

const rig = useControlRig();

describe('a round', () => {
  const roundId = 'whole';
  let training: TrainRequest;

  it('selects on questions A, and keeps its choice', async () => {
    await rig.prepare(roundId, { ...small, controls: { rules: true } });
    const [d1first, d2first, d1second, d2second] = await rig.planned(roundId, 'edits');
    if (!d1first || !d2first || !d1second || !d2second) throw new Error('four trials');
    for (const spec of [d1first, d1second, d2second]) await rig.propose(spec);
    await rig.score(d1first, 0, 0.5, reward(0.1));
    await rig.fail(d2first, 'invalid_edit', 'no lines');
    await rig.score(d1second, 0, 1, reward(0.4));
    await rig.score(d2second, 0, 0.5, reward(0.2));
    const selected = await rig.activities.selectEdits({ roundId });
    expect(selected).toMatchObject({ chosen: 2, sources: 2, ties: 0, bestReward: 0.4 });
    expect(selected.meanReward).toBeCloseTo(0.7 / 3);
    expect(await rig.activities.selectEdits({ roundId })).toEqual(selected);
    expect(await rig.score(d2first, 1, 1, reward(9))).toMatchObject({ outcome: 'invalid_edit', reason: 'no lines' });
  });

  it('trains its policy on the chosen pairs', async () => {
    training = await rig.trainPolicy(roundId);
    const { pairs, training: again } = await rig.activities.buildPolicyTraining({ roundId });
    expect({ pairs, again }).toEqual({ pairs: 2, again: training });
    const lines = (await (await rig.store.open(training.dataset)).text('data.jsonl')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      {
        messages: [
          { role: 'user', content: 'write on d1' },
          { role: 'assistant', content: 'wrote whole.edits.s00.e0002' },
        ],
      },
      {
        messages: [
          { role: 'user', content: 'write on d2' },
          { role: 'assistant', content: 'wrote whole.edits.s00.e0003' },
        ],
      },
    ]);
    expect((await rig.ledger.rounds.prepared(roundId)).new?.stack).toEqual([adapter('policy of whole')]);
    const { training: stored } = (await rig.ledger.policies.get(roundId)) ?? {};
    if (!stored) throw new Error('no policy');
    await expect(
      rig.activities.recordPolicy({ roundId, training: { ...stored, trainingKey: textDigest('other') } }),
    ).rejects.toMatchObject({ type: 'InvalidRequest' });
  });

  it('reports the numbers that its trials give by hand', async () => {
    // base: d1 0 of 2 on B, d2 1 of 2; in context: 2 of 2, 1 of 2; both policies know one canary, the new one forgets it
    const d2 = 'question 2 on d2?';
    await rig.answer(roundId, 'old', [d2, 'c1', 'f1'], ['question 2 on d1?', 'question 3 on d1?', d2]);
    await rig.answer(roundId, 'new', ['c2', 'f1']);
    const [passage1, merged1, rules1, passage2, merged2, rules2] = await rig.planned(roundId, 'controls');
    const [confirm1, confirm2] = await rig.planned(roundId, 'confirm');
    const [h1old, h1new, h2old, h2new] = await rig.planned(roundId, 'examine');
    if (
      !passage1 ||
      !merged1 ||
      !rules1 ||
      !passage2 ||
      !merged2 ||
      !rules2 ||
      !confirm1 ||
      !confirm2 ||
      !h1old ||
      !h1new ||
      !h2old ||
      !h2new
    )
      throw new Error('plan');
    await rig.score(passage1, 0, 0.5);
    await rig.fail(passage2, 'infra_failure', 'lost');
    await rig.score(merged1, 0, 1, { canaries: { asked: 4, lost: 1 } });
    await rig.score(merged2, 0, 0.5, { canaries: { asked: 4, lost: 2 } });
    await rig.score(rules1, 0, 0.5);
    await rig.fail(rules2, 'invalid_edit', 'no row');
    await rig.score(confirm1, 0, 0.5, { otherSource: scores(0) });
    await rig.score(confirm2, 0, 1, { otherSource: scores(0.5) });
    await rig.score(h1old, 0.5, 0);
    await rig.score(h1new, 1, 0.5);
    await rig.score(h2old, 1, 1);
    await rig.fail(h2new, 'invalid_edit', 'no lines');
    // h2 has no score by the new policy, so it is crossed no more than it is compared
    const cross = await rig.planned(roundId, 'cross');
    expect(
      cross.map(({ sourceId, learner, edit }) => [sourceId, learner, edit.kind === 'reuse' && edit.trialId]),
    ).toEqual([
      ['h1', 'new', h1old.trialId],
      ['h1', 'old', h1new.trialId],
    ]);
    for (const spec of cross) await rig.score(spec, 0.5, spec.learner === 'new' ? 0.5 : 0);

    const report = await rig.activities.buildReport({ roundId });
    expect(report.arms).toEqual({
      base: 0.25,
      inContext: 0.75,
      rawPassage: 0.5, // of d1 alone
      rules: 0.5, // of d1 alone
      selfEditMean: 0.625, // d1: mean of 0.5 and 1; d2: 0.5
      merged: 0.75,
      chosenOnB: 0.75,
      otherSourceControl: 0.25,
    });
    expect(report.heldOut).toEqual({
      before: 0.25,
      after: 0.75,
      sources: 1,
      questions: 4,
      cells: { oldOld: 0.25, oldNew: 0.5, newOld: 0.25, newNew: 0.75 },
    });
    expect(report.trials).toEqual({ scored: 3, invalid_edit: 1 });
    // 3 + 1 edits, 1 passage, 2 merged, 1 by rule and 2 failures, 2 confirmed, 3 examined and a failure, 2 crossed:
    // 14 × 2 s + 4 × 1 s; policy 10 s
    expect(report.deviceSeconds).toBe(42);
    expect(report.markdown).toContain('| trained on the chosen self-edit | 75.0 % | 2 |  | over base: +50.0 points');
    expect(report.markdown).toContain(
      '| trained on all self-edits, merged | 75.0 % | 2 | 62.5 % | over base: +50.0 points',
    );
    expect(report.markdown).toContain('over rules: +50.0 points (1 document, too few for an interval)');
    expect(report.markdown).toContain('Canaries: 1 of 2 right before, 1 after, 1 lost');
    expect(report.markdown).toContain('Frozen set: 1 of 1 right before, 1 after, 0 lost');
    expect(report.markdown).toContain('`h2` (`whole.examine.s00.e0003: invalid_edit, no lines`)');

    const read = await readReport(join(rig.folder, 'store'), report.report);
    expect(evidenceOf(report, read)).toEqual({
      before: 0.25,
      after: 0.75,
      questions: 4,
      canariesLost: 1,
      canariesAsked: 1,
    });

    const opened = await rig.store.open(report.report);
    const full = JSON.parse(await opened.text('report.json')) as {
      contrasts: { id: string; gain: { estimate: number; clusters: number } }[];
      trials: { trialId: string; proposalKey: string | null }[];
    };
    // raw passage on d1 alone, 0.5 − 0; d1 0.5 under its own adapter and 0.5 under d2's, d2 1 and 0
    const gainOf = (id: string) => full.contrasts.find((contrast) => contrast.id === id)?.gain;
    expect(gainOf('rawPassage')).toMatchObject({ estimate: 0.5, clusters: 1 });
    expect(gainOf('ownOverOther')).toMatchObject({ estimate: 0.5, clusters: 2 });
    expect(full.trials).toHaveLength(18);
    expect(Object.keys(full)).toEqual(Object.keys(full).sort());
    expect(report.releaseDigest).toBe(
      canonicalDigest({
        policy: { layer: adapter('policy of whole').layer.sha256, served: adapter('policy of whole').served.sha256 },
        report: report.report.sha256,
        data: { corpus: (await rig.ledger.rounds.prepared(roundId)).corpusDigest, dataset: training.dataset.sha256 },
      }),
    );
    expect(await rig.activities.buildReport({ roundId })).toEqual(report);
    // the artifact says how it was made, and holds no clock
    expect(await readFile(join(opened.folder, 'report.json'), 'utf8')).not.toMatch(/createdAt|recordedAt|T\d\d:\d\d/);
  });
});
