import { expect, it } from 'vitest';
import type { RoundReport } from '../../../src/experiment/round-report.js';
import type { ActivityResult, TrialSpec } from '../../../src/contract/index.js';
import { reward, scores, small, useControlRig } from '../../support/control-rig.js';

// What a person is told before deciding, apart from the numbers that control-round.test.ts works out by hand.
const rig = useControlRig();

/** Four edits scored, two of them chosen, a policy trained. */
async function trained(roundId: string, input = small): Promise<TrialSpec[]> {
  await rig.prepare(roundId, input);
  const specs = await rig.planned(roundId, 'edits');
  for (const spec of specs) {
    await rig.propose(spec);
    await rig.score(spec, 1, 1, reward(spec.index + 1));
  }
  await rig.activities.selectEdits({ roundId });
  await rig.trainPolicy(roundId);
  return specs;
}

const fullReport = async ({ report }: ActivityResult<'buildReport'>): Promise<RoundReport> =>
  JSON.parse(await (await rig.store.open(report)).text('report.json')) as RoundReport;

// first: answers are kept by model, and all of these rounds have one
it('says which documents have no baseline, and counts none as 0', async () => {
  await trained('unmeasured');
  const { warnings, arms } = await rig.activities.buildReport({ roundId: 'unmeasured' });
  expect(arms.base).toBeNull();
  expect(warnings.join(' ')).toMatch(/2 training documents by the old policy, 2 held-out documents by the old policy/);
});

it('warns of a policy that was examined on nothing', async () => {
  await trained('unexamined', { ...small, sources: { train: 2, heldOut: 0 } });
  await rig.answer('unexamined', 'old', []);
  await rig.answer('unexamined', 'new', []);
  const { warnings, markdown, heldOut } = await rig.activities.buildReport({ roundId: 'unexamined' });
  expect(heldOut.questions).toBe(0);
  expect(warnings).toEqual([expect.stringContaining('examined on nothing: the round has no held-out documents')]);
  expect(markdown).toContain('- **Warning:** The new policy was examined on nothing');
});

it('warns of documents that a training row does not hold, by name', async () => {
  await trained('long');
  await rig.ledger.corpora.setPassageTokens('long', [
    { sourceId: 'd1', tokens: 512 },
    { sourceId: 'h2', tokens: 1652 },
  ]);
  const { warnings } = await rig.activities.buildReport({ roundId: 'long' });
  const [cut] = warnings.filter((warning) => warning.includes('maxLength'));
  expect(cut).toMatch(/^1 documents are longer .* 512 tokens.*: `h2` \(1652 tokens\)\. Split/);
});

it('counts the device once for a training that is found again', async () => {
  const keys = async (roundId: string) =>
    (await rig.ledger.trials.ofPurpose(roundId, 'edits')).map(({ result }) => [result?.reused, result?.deviceSeconds]);
  await trained('cost-first');
  const [first] = await rig.planned('cost-first', 'edits');
  await rig.prepare('cost-again', { ...small, earlierRounds: ['cost-first'] });
  const [again, fresh] = await rig.planned('cost-again', 'edits');
  if (!first || !again || !fresh) throw new Error('trials');
  const { result } = await rig.ledger.trials.get(first.trialId);
  if (result === null) throw new Error('a result');
  expect(await rig.record({ ...result, trialId: again.trialId })).toMatchObject({ reused: true, deviceSeconds: 0 });
  expect(await rig.score(fresh, 1, 1)).toMatchObject({ reused: false, deviceSeconds: 2 });
  expect((await keys('cost-first')).every(([reused]) => reused === false)).toBe(true);
  const report = await fullReport(await rig.activities.buildReport({ roundId: 'cost-again' }));
  expect(report).toMatchObject({ reusedTrainings: 1, deviceSeconds: { trials: 2, policy: 0 } });
});

it('chooses no edit that forgets too much, and says what the chosen forgot', async () => {
  const roundId = 'forgetful';
  await rig.prepare(roundId);
  const [d1first, d2first, d1second, d2second] = await rig.planned(roundId, 'edits');
  if (!d1first || !d2first || !d1second || !d2second) throw new Error('four trials');
  const forgets = (lost: number, total: number) => ({ canaries: { asked: 11, lost }, ...reward(total) });
  await rig.score(d1first, 1, 1, forgets(11, 0.9));
  await rig.score(d1second, 1, 1, forgets(5, 0.1));
  await rig.score(d2first, 1, 1, forgets(9, 0.9));
  await rig.score(d2second, 1, 1, forgets(10, 0.8));
  expect(await rig.activities.selectEdits({ roundId })).toMatchObject({ chosen: 1, sources: 2 });
  const selection = await rig.ledger.selections.get(roundId);
  expect(selection?.chosen.map(({ trialId }) => trialId)).toEqual([d1second.trialId]);
  expect(selection?.without[0]?.reason).toContain('reward.maxCanariesLost allows (0.75)');
  const { markdown } = await rig.activities.buildReport({ roundId });
  expect(markdown).toContain("the chosen edits' adapters forgot: 5 of 11, 45.5 % by the one that forgot most");
});

it('renders nothing of what others wrote', async () => {
  const roundId = 'hostile';
  await trained(roundId);
  const [h1old, h1new, h2old] = await rig.planned(roundId, 'examine');
  if (!h1old || !h1new || !h2old) throw new Error('examined trials');
  await rig.fail(h2old, 'infra_failure', 'server | said\n# [click](http://evil) `x`');
  await rig.score(h1old, 1, 1);
  await rig.score(h1new, 1, 1, { otherSource: scores(0) });
  const { markdown } = await rig.activities.buildReport({ roundId });
  expect(markdown).toContain('infra_failure, server said # [click](http://evil) x`');
  expect(markdown).not.toMatch(/^# /m);
});
