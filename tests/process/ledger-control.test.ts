import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createControlActivities } from '../../src/activities/control.js';
import { questionsOf } from '../../src/activities/questions.js';
import { ArtifactStore } from '../../src/artifacts/index.js';
import {
  canonicalDigest,
  emptyResult,
  mediaTypes,
  roundConfigSchema,
  searchAttributes,
  textDigest,
  type AdapterRef,
  type ControlActivities,
  type Evaluation,
  type GateResult,
  type Phase,
  type RoundConfigInput,
  type TrainRequest,
  type TrialResult,
  type TrialSpec,
} from '../../src/contract/index.js';
import type { Arm, Domain, Item, Source } from '../../src/domains/domain.js';
import { Ledger, migrate, modelOf } from '../../src/ledger/index.js';
import { modelDigest } from '../../src/seal/keys.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';

/** Its corpus files are JSON arrays of sources as they are; whatever a control activity does not call is absent. */
const domain = {
  id: 'plain',
  grader: 'plain/1',
  sources: (raw: unknown) => ({
    sources: (raw as { text: string }[]).flatMap(({ text }) => JSON.parse(text) as Source[]),
    problems: [],
  }),
  itemPrompt: (source: Source, item: Item, arm: Arm) => ({
    kind: 'text' as const,
    text: `${arm === 'inContext' ? source.text : ''} ${item.question}`,
  }),
} as Partial<Domain> as Domain;

const document = (sourceId: string, part: Source['part']): Source => ({
  sourceId,
  title: sourceId,
  text: `the text of ${sourceId}`,
  part,
  items: (['A', 'A', 'B', 'B'] as const).map((questionPart, i) => ({
    itemId: `q${i}`,
    question: `question ${i} on ${sourceId}?`,
    answer: `answer ${i}`,
    part: questionPart,
  })),
});
const documents = [
  document('d1', 'train'),
  document('d2', 'train'),
  document('h1', 'heldOut'),
  document('h2', 'heldOut'),
];
const probe = (question: string) => ({ question, answer: 'yes' });

let postgres: TestPostgres;
let ledger: Ledger;
let store: ArtifactStore;
let folder: string;
let activities: ControlActivities;
beforeAll(async () => {
  postgres = await startPostgres();
  const url = await postgres.createDatabase('control');
  await migrate(url);
  ledger = await Ledger.connect(url);
  folder = await mkdtemp(join(tmpdir(), 'selkie-control-'));
  const corpusDir = join(folder, 'corpus');
  await mkdir(corpusDir);
  await writeFile(join(corpusDir, 'documents.json'), JSON.stringify(documents));
  await writeFile(
    join(corpusDir, 'canaries.jsonl'),
    `${['c1', 'c2'].map((q) => JSON.stringify(probe(q))).join('\n')}\n`,
  );
  await writeFile(join(corpusDir, 'frozen.json'), JSON.stringify([probe('f1')]));
  store = new ArtifactStore(join(folder, 'store'));
  const temporal = { searchAttributes: () => Promise.resolve(['SealTenant', 'SomebodyElses']) };
  activities = createControlActivities({ ledger, store, domain, corpusDir, temporal });
});
afterAll(async () => {
  await ledger.close();
  await postgres.stop();
  await rm(folder, { recursive: true });
});

const model = {
  model: 'tiny',
  digest: textDigest('tiny'),
  parameters: 1000,
  dtype: 'float32',
  device: 'cpu',
  chat: false,
  maxLength: 64,
};
const small = { sources: { train: 2, heldOut: 2 }, editsPerSource: 2 } satisfies RoundConfigInput;

async function prepare(roundId: string, input: RoundConfigInput = small) {
  const config = roundConfigSchema.parse(input);
  await activities.claimRound({ roundId, config, configDigest: canonicalDigest(config) });
  return activities.prepareRound({ roundId, model });
}

async function planned(roundId: string, phase: Phase): Promise<TrialSpec[]> {
  const { shards } = await activities.planTrials({ roundId, phase });
  const loaded = await Promise.all(
    Array.from({ length: shards }, (_, shard) => ledger.trials.shard(roundId, phase, shard)),
  );
  return loaded.flat();
}

const adapter = (name: string): AdapterRef => {
  const sha256 = textDigest(name);
  const ref = { uri: `artifact:sha256/${sha256}`, sha256, bytes: 1, mediaType: mediaTypes.adapter };
  return { layer: ref, served: ref, rank: 8 };
};

const scores = (match: number) => ({ questions: 2, match, exactMatch: 0, f1: 0, logLikelihood: null });

/** Records a scored trial from the match on questions A and B; the rest as given. */
async function score(spec: TrialSpec, a: number, b: number, more: Partial<Evaluation> = {}): Promise<TrialResult> {
  return activities.recordOutcome({
    trialId: spec.trialId,
    outcome: 'scored',
    reason: '',
    editDigest: textDigest(`edit of ${spec.trialId}`),
    trainingKey: textDigest(`training of ${spec.trialId}`),
    adapter: adapter(spec.trialId),
    deviceSeconds: 2,
    steps: 20,
    evaluation: { a: scores(a), b: scores(b), otherSource: null, canaries: null, reward: null, ...more },
  });
}

const fail = (
  { trialId }: TrialSpec,
  outcome: 'invalid_edit' | 'infra_failure' | 'cancelled',
  reason: string,
): Promise<TrialResult> => activities.recordOutcome({ ...emptyResult(trialId, outcome, reason), deviceSeconds: 1 });

const reward = (total: number) => ({ reward: { gain: total, penalty: 0, total } });

/** Writes a proposal for the trial, as the LLM worker does. */
async function propose(spec: TrialSpec): Promise<void> {
  const { proposalKey } = await ledger.proposals.insert({
    proposalKey: textDigest(`proposal of ${spec.trialId}`),
    editDigest: textDigest(`edit of ${spec.trialId}`),
    sourceId: spec.sourceId,
    template: 'self-qa',
    seed: 1,
    writer: { base: model.model, baseDigest: model.digest, stack: [] },
    prompts: [{ kind: 'chat', messages: [{ role: 'user', content: `write on ${spec.sourceId}` }] }],
    completions: [`wrote ${spec.trialId}`],
    invalidReason: null,
    directivesProposed: null,
    directivesUsed: null,
    clamps: [],
    examples: null,
    tokens: null,
  });
  await ledger.trials.setProposal(spec.trialId, proposalKey, null);
}

/** What a policy answered before any trial; `right` holds the questions that it knew. */
async function answer(
  roundId: string,
  version: 'old' | 'new',
  right: string[],
  inContext: string[] = [],
): Promise<void> {
  const round = await ledger.rounds.prepared(roundId);
  const probes = [
    ...(await ledger.corpora.probes(round.corpusDigest, 'canary')),
    ...(await ledger.corpora.probes(round.corpusDigest, 'frozen')),
  ].map((item) => ({ ...item, part: 'B' as const }));
  const put = (source: Source | null, items: Item[], arm: Arm, known: string[]) =>
    questionsOf({ domain, style: 'chat' }, source, items, arm).map(({ item, sourceId, itemDigest }) => ({
      modelDigest: modelDigest(modelOf(round, version)),
      itemDigest,
      arm,
      grader: domain.grader,
      itemId: item.itemId,
      sourceId,
      question: item.question,
      answer: '',
      match: known.includes(item.question),
      exactMatch: false,
      f1: 0,
      logLikelihood: null,
    }));
  await ledger.answers.insert([
    ...documents.flatMap((source) => put(source, source.items, 'closedBook', right)),
    ...documents.flatMap((source) => put(source, source.items, 'inContext', inContext)),
    ...put(null, probes, 'closedBook', right),
  ]);
}

/** Trains the policy of a round whose edits are recorded; what the runner would return. */
async function trainPolicy(roundId: string): Promise<TrainRequest> {
  const { training } = await activities.buildPolicyTraining({ roundId });
  if (training === null) throw new Error('no policy training');
  await activities.recordPolicy({
    roundId,
    training: {
      trainingKey: training.trainingKey,
      adapter: adapter(`policy of ${roundId}`),
      steps: 4,
      tokens: 100,
      finalLoss: 1,
      updateNorm: 1,
      deviceSeconds: 10,
      engine: 'solo',
      resumedFromStep: 0,
    },
  });
  return training;
}

/** The decision of a release gate, as its workflow records it. */
async function decide(roundId: string, digest: string, outcome: GateResult['outcome']): Promise<GateResult> {
  const gateId = `${roundId}.gate-release`;
  await activities.openGate({
    gateId,
    roundId,
    kind: 'release',
    subject: '',
    digest,
    needed: 1,
    approvers: [],
    requestedBy: 'somebody',
    deadlineSeconds: 60,
    onTimeout: 'hold',
  });
  const decision = {
    approver: 'ann',
    decision: outcome === 'rejected' ? ('reject' as const) : ('approve' as const),
    note: null,
    key: 'k',
    atMs: 1,
    counted: outcome !== 'hold',
    reason: '',
  };
  await activities.recordDecision({ gateId, decision });
  const result = { gateId, digest, outcome, reason: `test ${outcome}`, decisions: [decision], malformed: 0 };
  await activities.closeGate(result);
  return result;
}

/** A round of which every edit is scored, up to its report. */
async function reported(roundId: string, input: RoundConfigInput): Promise<string> {
  await prepare(roundId, input);
  for (const spec of await planned(roundId, 'edits')) {
    await propose(spec);
    await score(spec, 1, 1, reward(spec.index + 1));
  }
  await activities.selectEdits({ roundId });
  await trainPolicy(roundId);
  return (await activities.buildReport({ roundId })).releaseDigest;
}

describe('claimRound', () => {
  it('takes an id once, and tells which search attributes the server has', async () => {
    const config = roundConfigSchema.parse(small);
    const claim = { roundId: 'claimed', config, configDigest: canonicalDigest(config) };
    expect(await activities.claimRound(claim)).toEqual({ searchAttributes: ['SealTenant'] });
    expect(Object.keys(searchAttributes)).toContain('SealTenant');
    expect(await activities.claimRound(claim)).toEqual({ searchAttributes: ['SealTenant'] });
    const other = { ...claim, configDigest: textDigest('another') };
    await expect(activities.claimRound(other)).rejects.toMatchObject({
      type: 'RoundIdTaken',
      nonRetryable: true,
      message: expect.stringMatching(new RegExp(`${claim.configDigest}.*${other.configDigest}`)) as string,
    });
  });

  it('refuses more trials than a round can hold', async () => {
    const config = roundConfigSchema.parse({ sources: { train: 80_000 }, editsPerSource: 2 });
    await expect(
      activities.claimRound({ roundId: 'huge', config, configDigest: canonicalDigest(config) }),
    ).rejects.toMatchObject({ type: 'InvalidConfig', message: expect.stringContaining('at most 80000') as string });
  });
});

describe('prepareRound', () => {
  it('freezes the corpus once: what changes on disk later changes nothing', async () => {
    const path = join(folder, 'changing.json');
    await writeFile(path, JSON.stringify(documents));
    const before = await prepare('frozen', { ...small, corpus: path, sources: { train: 1, heldOut: 2 } });
    expect(before).toMatchObject({ trainSources: 1, heldOutSources: 2, questionsA: 2, questionsB: 2, canaries: 2 });
    await writeFile(path, JSON.stringify([document('other', 'train')]));
    expect(await activities.prepareRound({ roundId: 'frozen', model })).toEqual(before);
    expect(await ledger.corpora.roundSources('frozen', 'train')).toEqual([documents[0]]);
  });

  it('lists every problem of a corpus', async () => {
    const corpus = join(folder, 'broken');
    await mkdir(corpus);
    await writeFile(join(corpus, 'a.json'), JSON.stringify([{ ...document('bare', 'train'), items: [] }]));
    await writeFile(join(corpus, 'canaries.jsonl'), '{"question":"ok?","answer":"yes"}\n{"question":\n');
    await writeFile(join(corpus, 'frozen.json'), '[{"question":"no answer?"}]');
    const refused = prepare('broken', { corpus });
    await expect(refused).rejects.toMatchObject({ type: 'InvalidCorpus', nonRetryable: true });
    await expect(refused).rejects.toThrow(/bare: has no questions/);
    await expect(refused).rejects.toThrow(/canaries\.jsonl, line 2: is not JSON/);
    await expect(refused).rejects.toThrow(/frozen\.json, question 1: answer/);
    await expect(prepare('absent', { corpus: join(folder, 'no such file') })).rejects.toThrow(/cannot read it.*ENOENT/);
  });
});

describe('planTrials', () => {
  it('is the same plan again, one candidate of every document before a second', async () => {
    await prepare('planned', { ...small, templates: ['self-qa', 'rewrite'] });
    const request = { roundId: 'planned', phase: 'edits' as const };
    expect(await activities.planTrials(request)).toEqual({ trials: 4, skipped: 0, shards: 1 });
    const first = await planned('planned', 'edits');
    expect(await planned('planned', 'edits')).toEqual(first);
    expect(first.map(({ sourceId }) => sourceId)).toEqual(['d1', 'd2', 'd1', 'd2']);
    expect(first.map(({ edit }) => (edit.kind === 'propose' ? edit.template : null))).toEqual([
      'self-qa',
      'self-qa',
      'rewrite',
      'rewrite',
    ]);
    expect(first[3]?.trialId).toBe('planned.edits.s00.e0003');
    expect(new Set(first.map(({ trainingSeed }) => trainingSeed)).size).toBe(4);
  });

  it('records what is over the cap as skipped, with the reason', async () => {
    await prepare('capped', { ...small, caps: { maxEditsPerRound: 3 } });
    expect(await activities.planTrials({ roundId: 'capped', phase: 'edits' })).toEqual({
      trials: 3,
      skipped: 1,
      shards: 1,
    });
    expect(await planned('capped', 'edits')).toHaveLength(3);
    const { result } = await ledger.trials.get('capped.edits.s00.e0003');
    expect(result).toMatchObject({ outcome: 'skipped', reason: 'over caps.maxEditsPerRound (3)' });
  });

  it('gives later rounds other candidates and the same examination', async () => {
    const seedsOf = async (roundId: string, phase: Phase) =>
      (await planned(roundId, phase)).map(({ edit, trainingSeed }) => [
        edit.kind === 'propose' && edit.seed,
        trainingSeed,
      ]);
    await prepare('seeds.r0001', small);
    await prepare('seeds.r0002', { ...small, earlierRounds: ['seeds.r0001'] });
    expect(await seedsOf('seeds.r0002', 'examine')).toEqual(await seedsOf('seeds.r0001', 'examine'));
    const [first, second] = [await seedsOf('seeds.r0001', 'edits'), await seedsOf('seeds.r0002', 'edits')];
    expect(first.some(([seed]) => second.some(([other]) => seed === other))).toBe(false);
  });

  it('splits a phase into shards of 200', async () => {
    await prepare('sharded', { ...small, editsPerSource: 64, sources: { train: 2, heldOut: 0 } });
    expect(await activities.planTrials({ roundId: 'sharded', phase: 'edits' })).toMatchObject({
      trials: 128,
      shards: 1,
    });
    expect(await activities.planTrials({ roundId: 'sharded', phase: 'examine' })).toEqual({
      trials: 0,
      skipped: 0,
      shards: 0,
    });
  });
});

describe('a round', () => {
  const roundId = 'whole';
  let training: TrainRequest;

  it('selects on questions A, and keeps its choice', async () => {
    await prepare(roundId);
    const [d1first, d2first, d1second, d2second] = await planned(roundId, 'edits');
    if (!d1first || !d2first || !d1second || !d2second) throw new Error('four trials');
    for (const spec of [d1first, d1second, d2second]) await propose(spec);
    await score(d1first, 0, 0.5, reward(0.1));
    await fail(d2first, 'invalid_edit', 'no lines');
    await score(d1second, 0, 1, reward(0.4));
    await score(d2second, 0, 0.5, reward(0.2));
    const selected = await activities.selectEdits({ roundId });
    expect(selected).toMatchObject({ chosen: 2, sources: 2, ties: 0, bestReward: 0.4 });
    expect(selected.meanReward).toBeCloseTo(0.7 / 3);
    expect(await activities.selectEdits({ roundId })).toEqual(selected);
    expect(await score(d2first, 1, 1, reward(9))).toMatchObject({ outcome: 'invalid_edit', reason: 'no lines' });
  });

  it('trains its policy on the chosen pairs', async () => {
    training = await trainPolicy(roundId);
    const { pairs, training: again } = await activities.buildPolicyTraining({ roundId });
    expect({ pairs, again }).toEqual({ pairs: 2, again: training });
    const lines = (await (await store.open(training.dataset)).text('data.jsonl')).trim().split('\n');
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
    expect((await ledger.rounds.prepared(roundId)).new?.stack).toEqual([adapter('policy of whole')]);
    const { training: stored } = (await ledger.policies.get(roundId)) ?? {};
    if (!stored) throw new Error('no policy');
    await expect(
      activities.recordPolicy({ roundId, training: { ...stored, trainingKey: textDigest('other') } }),
    ).rejects.toMatchObject({ type: 'InvalidRequest' });
  });

  it('reports the numbers that its trials give by hand', async () => {
    // base: d1 0 of 2 on B, d2 1 of 2; in context: 2 of 2, 1 of 2; both policies know one canary, the new one forgets it
    const d2 = 'question 2 on d2?';
    await answer(roundId, 'old', [d2, 'c1', 'f1'], ['question 2 on d1?', 'question 3 on d1?', d2]);
    await answer(roundId, 'new', ['c2', 'f1']);
    const [passage1, passage2] = await planned(roundId, 'controls');
    const [confirm1, confirm2] = await planned(roundId, 'confirm');
    const [h1old, h1new, h2old, h2new] = await planned(roundId, 'examine');
    if (!passage1 || !passage2 || !confirm1 || !confirm2 || !h1old || !h1new || !h2old || !h2new)
      throw new Error('plan');
    await score(passage1, 0, 0.5);
    await fail(passage2, 'infra_failure', 'lost');
    await score(confirm1, 0, 0.5, { otherSource: scores(0) });
    await score(confirm2, 0, 1, { otherSource: scores(0.5) });
    await score(h1old, 0.5, 0);
    await score(h1new, 1, 0.5);
    await score(h2old, 1, 1);
    await fail(h2new, 'invalid_edit', 'no lines');
    // h2 has no score by the new policy, so it is crossed no more than it is compared
    const cross = await planned(roundId, 'cross');
    expect(
      cross.map(({ sourceId, learner, edit }) => [sourceId, learner, edit.kind === 'reuse' && edit.trialId]),
    ).toEqual([
      ['h1', 'new', h1old.trialId],
      ['h1', 'old', h1new.trialId],
    ]);
    for (const spec of cross) await score(spec, 0.5, spec.learner === 'new' ? 0.5 : 0);

    const report = await activities.buildReport({ roundId });
    expect(report.arms).toEqual({
      base: 0.25,
      inContext: 0.75,
      rawPassage: 0.5, // of d1 alone
      selfEditMean: 0.625, // d1: mean of 0.5 and 1; d2: 0.5
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
    // 3 + 1 edits, 1 passage and a failure, 2 confirmed, 3 examined and a failure, 2 crossed: 11 × 2 s + 3 × 1 s; policy 10 s
    expect(report.deviceSeconds).toBe(35);
    expect(report.markdown).toContain('| trained on the chosen self-edit | 75.0 % | 2 | over base: +50.0 points');
    expect(report.markdown).toContain('Canaries: 1 of 2 right before, 1 after, 1 lost');
    expect(report.markdown).toContain('Frozen set: 1 of 1 right before, 1 after, 0 lost');
    expect(report.markdown).toContain('h2 (whole.examine.s00.e0003: invalid_edit, no lines)');

    const opened = await store.open(report.report);
    const full = JSON.parse(await opened.text('report.json')) as {
      comparisons: Record<string, { gain: { estimate: number; clusters: number } }>;
      trials: { trialId: string; proposalKey: string | null }[];
    };
    // raw passage on d1 alone, 0.5 − 0; d1 0.5 under its own adapter and 0.5 under d2's, d2 1 and 0
    expect(full.comparisons.rawPassage?.gain).toMatchObject({ estimate: 0.5, clusters: 1 });
    expect(full.comparisons.ownOverOther?.gain).toMatchObject({ estimate: 0.5, clusters: 2 });
    expect(full.trials).toHaveLength(14);
    expect(Object.keys(full)).toEqual(Object.keys(full).sort());
    expect(report.releaseDigest).toBe(
      canonicalDigest({
        policy: { layer: adapter('policy of whole').layer.sha256, served: adapter('policy of whole').served.sha256 },
        report: report.report.sha256,
        data: { corpus: (await ledger.rounds.prepared(roundId)).corpusDigest, dataset: training.dataset.sha256 },
      }),
    );
    expect(await activities.buildReport({ roundId })).toEqual(report);
    // the artifact says how it was made, and holds no clock
    expect(await readFile(join(opened.folder, 'report.json'), 'utf8')).not.toMatch(/createdAt|recordedAt|T\d\d:\d\d/);
  });
});

describe('releasePolicy', () => {
  const input = (tenant: string): RoundConfigInput => ({ ...small, tenant, gate: { trust: 'unsigned' } });

  it('releases what was approved, once, and points the alias at it', async () => {
    const digest = await reported('rel.ok', input('ok'));
    const gate = await decide('rel.ok', digest, 'approved');
    const released = await activities.releasePolicy({ roundId: 'rel.ok', gate });
    expect(released).toMatchObject({ released: true, alias: 'ok/policy' });
    expect(
      await Promise.all(Array.from({ length: 5 }, () => activities.releasePolicy({ roundId: 'rel.ok', gate }))),
    ).toEqual(Array.from({ length: 5 }, () => released));
    expect(await ledger.releases.live('ok/policy')).toMatchObject({
      roundId: 'rel.ok',
      digest,
      model: { stack: [adapter('policy of rel.ok')] },
    });
  });

  it.each(['rejected', 'hold'] as const)('releases nothing when the gate ended as %s', async (outcome) => {
    const roundId = `rel.${outcome}`;
    const gate = await decide(roundId, await reported(roundId, input(outcome)), outcome);
    expect(await activities.releasePolicy({ roundId, gate })).toMatchObject({
      released: false,
      alias: null,
      reason: expect.stringContaining(`not approved: ${outcome}`) as string,
    });
    // nor when the caller says that it did
    const claimed = { ...gate, outcome: 'approved' as const };
    expect(await activities.releasePolicy({ roundId, gate: claimed })).toMatchObject({ released: false });
    expect(await ledger.releases.live(`${outcome}/policy`)).toBeNull();
  });

  it('releases nothing that another content was approved for', async () => {
    await reported('rel.digest', input('digest'));
    const gate = await decide('rel.digest', textDigest('another report'), 'approved');
    expect(await activities.releasePolicy({ roundId: 'rel.digest', gate })).toMatchObject({
      released: false,
      reason: expect.stringContaining("not this round's report") as string,
    });
  });

  it("releases nothing by another round's gate, nor by one that nobody opened", async () => {
    const digest = await reported('rel.own', input('own'));
    const other = await decide('rel.ok', digest, 'approved').catch(() => null);
    expect(other).toBeNull();
    const gate = (await ledger.gates.get('rel.ok.gate-release'))?.result;
    if (!gate) throw new Error('no gate');
    expect(await activities.releasePolicy({ roundId: 'rel.own', gate })).toMatchObject({
      released: false,
      reason: 'gate rel.ok.gate-release is not a gate of this round',
    });
    const unopened = { ...gate, gateId: 'rel.own.gate-release', digest };
    expect(await activities.releasePolicy({ roundId: 'rel.own', gate: unopened })).toMatchObject({ released: false });
  });

  it('releases nothing over a release that the round was not compared with', async () => {
    const [one, two] = ['rel.race1', 'rel.race2'];
    const digests = [await reported(one, input('race')), await reported(two, { ...input('race'), seed: 1 })];
    const gates = [await decide(one, digests[0] ?? '', 'approved'), await decide(two, digests[1] ?? '', 'approved')];
    const ends = await Promise.all(
      [one, two].map((roundId, i) => {
        const gate = gates[i];
        if (gate === undefined) throw new Error('no gate');
        return activities.releasePolicy({ roundId, gate });
      }),
    );
    expect(ends.filter(({ released }) => released)).toHaveLength(1);
    expect(ends.find(({ released }) => !released)?.reason).toMatch(/another release became live under race\/policy/);
    // a round that begins afterwards knows of it
    const third = await decide('rel.race3', await reported('rel.race3', { ...input('race'), seed: 2 }), 'approved');
    expect(await activities.releasePolicy({ roundId: 'rel.race3', gate: third })).toMatchObject({ released: true });
  });
});

describe('any control activity', () => {
  it('refuses what does not parse, or is not there, for good', async () => {
    await expect(activities.planTrials({ roundId: '' } as never)).rejects.toMatchObject({
      type: 'InvalidRequest',
      nonRetryable: true,
      message: expect.stringMatching(/planTrials: .*roundId.*phase/) as string,
    });
    await expect(activities.selectEdits({ roundId: 'nowhere' })).rejects.toMatchObject({
      type: 'InvalidRequest',
      message: 'the ledger has no round nowhere',
    });
  });
});
