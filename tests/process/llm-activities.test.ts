import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createLlmActivities } from '../../src/activities/llm.js';
import { ArtifactStore } from '../../src/artifacts/index.js';
import {
  mediaTypes,
  recipePresets,
  roundConfigSchema,
  servedName,
  textDigest,
  type AdapterRef,
  type LlmActivities,
  type ModelRef,
  type RoundConfigInput,
  type TrainResult,
  type TrialSpec,
} from '../../src/contract/index.js';
import { InferenceClient } from '../../src/inference/index.js';
import { Ledger, migrate } from '../../src/ledger/index.js';
import { FakeModelServer, type FakeQuestion } from '../support/fake-model-server.js';
import { startPostgres, type TestPostgres } from '../support/postgres.js';
import { scriptedDomain, scriptedSource } from '../support/scripted-domain.js';

const base: ModelRef = { base: 'base', baseDigest: textDigest('base'), stack: [] };
const documents = [
  scriptedSource('seals', 'train'),
  scriptedSource('otters', 'train'),
  scriptedSource('gulls', 'heldOut'),
];
const canaries = ['sky', 'grass', 'snow'].map((what) => ({
  itemId: what,
  question: `the colour of ${what}?`,
  answer: what,
}));

let postgres: TestPostgres;
let ledger: Ledger;
let store: ArtifactStore;
let root: string;
let server: FakeModelServer;
let llm: LlmActivities;
let rounds = 0;

beforeAll(async () => {
  postgres = await startPostgres();
  const url = await postgres.createDatabase('asks');
  await migrate(url);
  ledger = await Ledger.connect(url);
  root = await mkdtemp(join(tmpdir(), 'selkie-asks-'));
  store = new ArtifactStore(root);
});
afterAll(async () => {
  await ledger.close();
  await postgres.stop();
  await rm(root, { recursive: true });
});
beforeEach(async () => {
  server = await FakeModelServer.start({ base: 'base' });
  llm = createLlmActivities({
    ledger,
    store,
    domain: scriptedDomain,
    inference: new InferenceClient({ baseUrl: server.baseUrl, timeoutMs: 5000 }),
  });
});
afterEach(() => server.stop());

/** A prepared round whose base no other test has asked, so that no answer is known yet. */
async function prepareRound(config: RoundConfigInput = {}): Promise<{ roundId: string; old: ModelRef }> {
  rounds += 1;
  const roundId = `round-${rounds}`;
  const old = { ...base, baseDigest: textDigest(roundId) };
  const corpusDigest = textDigest('corpus');
  const model = {
    model: 'base',
    digest: old.baseDigest,
    parameters: 1,
    dtype: 'float32',
    device: 'cpu',
    chat: true,
    maxLength: 512,
  };
  await ledger.rounds.claim({ roundId, config: roundConfigSchema.parse(config), configDigest: textDigest('config') });
  await ledger.transaction(async (queries) => {
    await queries.corpora.freeze({
      corpusDigest,
      domain: 'scripted',
      origin: 'test',
      sources: documents,
      probes: { canary: canaries, frozen: [] },
    });
    await queries.rounds.prepare(roundId, { corpusDigest, model, old, liveRelease: null });
    await queries.rounds.insertSources(roundId, 'train', ['seals', 'otters']);
    await queries.rounds.insertSources(roundId, 'heldOut', ['gulls']);
  });
  return { roundId, old };
}

async function planTrial(roundId: string, given: Partial<TrialSpec> = {}): Promise<string> {
  const phase = given.phase ?? 'edits';
  const index = given.index ?? 0;
  const trialId = `${roundId}.${phase}.e${index}`;
  const spec: TrialSpec = {
    trialId,
    roundId,
    phase,
    index,
    sourceId: 'seals',
    edit: { kind: 'propose', writer: 'old', template: 'self-qa', seed: 5 },
    learner: 'old',
    repeat: 0,
    trainingSeed: 11,
    ...given,
  };
  await ledger.trials.plan([{ spec, shard: 0, result: null }]);
  return trialId;
}

/** An adapter in the store whose content is `name`. */
async function publishAdapter(name: string): Promise<AdapterRef> {
  const artifact = await store.put(mediaTypes.adapter, { 'adapter_config.json': JSON.stringify({ name }) });
  return { layer: artifact, served: artifact, rank: 8 };
}

const trainedTo = async (name: string, updateNorm = 1): Promise<TrainResult> => ({
  trainingKey: textDigest(name),
  adapter: await publishAdapter(name),
  steps: 20,
  tokens: 100,
  finalLoss: 0.5,
  updateNorm,
  deviceSeconds: 1,
  engine: 'solo',
  resumedFromStep: 0,
});

const quiet = { logger: new DefaultLogger('ERROR') };
const inActivity = async <T>(
  work: () => Promise<T>,
  environment = new MockActivityEnvironment({}, quiet),
): Promise<T> => environment.run(work);

/** What a model says that knows exactly these references. */
const knowing =
  (...references: string[]) =>
  ({ prompt }: FakeQuestion): string =>
    [...documents.flatMap(({ items }) => items), ...canaries].find(
      ({ question, answer }) => prompt.endsWith(question) && references.includes(answer),
    )?.answer ?? 'no idea';

const generations = (): number => server.asked('/v1/chat/completions').length;

const { sampling } = roundConfigSchema.parse({});

describe('measureBaseline', () => {
  it('asks every document from memory, training questions B in context, and canaries; and nothing twice', async () => {
    const { roundId } = await prepareRound();
    server.delayMs = 20;
    // three documents × 4, 2 × 2 in context, 3 canaries
    expect(await inActivity(() => llm.measureBaseline({ roundId, learner: 'old' }))).toEqual({ asked: 19, cached: 0 });
    expect(generations()).toBe(19);
    expect(server.asked('/v1/chat/completions')[0]).toMatchObject({ model: 'base', max_tokens: 24, temperature: 0 });
    expect(await inActivity(() => llm.measureBaseline({ roundId, learner: 'old' }))).toEqual({ asked: 0, cached: 19 });
    expect(generations()).toBe(19);
    // every question asks for an answer, some also for a likelihood
    expect(server.mostOpen).toBeLessThanOrEqual(2 * 32);
    expect(server.mostOpen).toBeGreaterThan(1);
  });

  it('goes on where a failed attempt stopped, and waits for what the server asks', async () => {
    const { roundId } = await prepareRound();
    let questions = 0;
    server.answer = ({ prompt }) => {
      questions += 1;
      if (questions === 9) server.failNext({ kind: 'status', status: 429, headers: { 'retry-after': '3' } });
      return prompt;
    };
    await expect(inActivity(() => llm.measureBaseline({ roundId, learner: 'old' }))).rejects.toMatchObject({
      type: 'RateLimited',
      nextRetryDelay: 3000,
    });
    const { asked, cached } = await inActivity(() => llm.measureBaseline({ roundId, learner: 'old' }));
    expect(asked + cached).toBe(19);
    expect(cached).toBeGreaterThanOrEqual(8);
    expect(asked).toBeGreaterThan(0);
  });

  it('beats while it asks and stops when it is cancelled', async () => {
    const { roundId } = await prepareRound();
    const environment = new MockActivityEnvironment({ heartbeatTimeoutMs: 60 }, quiet);
    const beats: unknown[] = [];
    environment.on('heartbeat', (details: unknown) => {
      beats.push(details);
      if (beats.length === 8) environment.cancel('CANCELLED');
    });
    server.failNext({ kind: 'hang' }, { path: '/chat/completions', times: 100 });
    await expect(inActivity(() => llm.measureBaseline({ roundId, learner: 'old' }), environment)).rejects.toThrow(
      'CANCELLED',
    );
    expect(beats[0]).toEqual({ doing: 'preparing', done: 0, of: 0 });
    expect(beats).toContainEqual({ doing: 'baseline of the old policy', done: 0, of: 19 });
  });

  it('refuses a request that does not parse, and a round that is not prepared, for good', async () => {
    for (const request of [{ roundId: 'nowhere', learner: 'old' }, { learner: 'old' }]) {
      await expect(inActivity(() => llm.measureBaseline(request as never))).rejects.toMatchObject({
        type: 'InvalidRequest',
        nonRetryable: true,
      });
    }
  });
});

describe('proposeSelfEdit', () => {
  const writing =
    (text: string) =>
    ({ prompt }: FakeQuestion): string =>
      prompt.startsWith('Plan') ? '{"epochs":3,"learningRate":0.002}' : text;

  it('has the writer write, publishes the dataset, and says how to train; a second attempt asks nothing', async () => {
    const { roundId, old } = await prepareRound({ caps: { maxStepsPerTrial: 7 } });
    const trialId = await planTrial(roundId);
    server.answer = writing('Seals swim.\nSeals sleep.');
    const proposed = await inActivity(() => llm.proposeSelfEdit({ trialId }));
    if (proposed.status !== 'proposed') return expect.fail(proposed.reason);
    expect(proposed).toMatchObject({ examples: 3, clamps: 1 });
    expect(proposed.training).toMatchObject({ ...old, seed: 11, tenant: 'demo', recipe: { maxSteps: 7 } });
    const dataset = await (await store.open(proposed.training.dataset)).text('data.jsonl');
    expect(dataset.split('\n').map((line) => (line === '' ? '' : (JSON.parse(line) as unknown)))).toEqual([
      { text: 'All about seals.' },
      { text: 'Seals swim.' },
      { text: 'Seals sleep.' },
      '',
    ]);
    expect(server.asked('/v1/chat/completions')).toMatchObject([
      { temperature: sampling.temperature, top_p: sampling.topP, max_tokens: sampling.maxTokens, seed: 5 },
    ]);
    server.answer = writing('Something else.');
    expect(await inActivity(() => llm.proposeSelfEdit({ trialId }))).toEqual(proposed);
    expect(generations()).toBe(1);
    const { proposalKey, training } = await ledger.trials.get(trialId);
    expect(training).toEqual(proposed.training);
    expect(await ledger.proposals.get(proposalKey ?? '')).toMatchObject({
      completions: ['Seals swim.\nSeals sleep.'],
      clamps: [{ field: 'maxSteps', proposed: recipePresets.small.maxSteps, used: 7 }],
    });
  });

  it('lets the model plan its own training, each step seeing the one before', async () => {
    const { roundId } = await prepareRound();
    const edit = { kind: 'propose', writer: 'old', template: 'directed', seed: 5 } as const;
    const trialId = await planTrial(roundId, { edit });
    server.answer = writing('Seals swim.');
    const proposed = await inActivity(() => llm.proposeSelfEdit({ trialId }));
    expect(proposed).toMatchObject({ training: { recipe: { epochs: 3, learningRate: 0.002 } } });
    const asked = server.asked('/v1/chat/completions');
    expect(asked.map(({ seed }) => seed)).toEqual([5, 6]);
    expect(JSON.stringify(asked[1])).toContain('epochs');
  });

  it('records an invalid edit with its reason', async () => {
    const { roundId } = await prepareRound();
    const trialId = await planTrial(roundId);
    server.answer = () => ' \n ';
    const invalid = { status: 'invalid', editDigest: null, reason: 'the completion has no line' };
    expect(await inActivity(() => llm.proposeSelfEdit({ trialId }))).toEqual(invalid);
    const { proposalKey } = await ledger.trials.get(trialId);
    expect(await ledger.proposals.get(proposalKey ?? '')).toMatchObject({ invalidReason: invalid.reason });
    const again = await planTrial(roundId, { phase: 'confirm', edit: { kind: 'reuse', trialId } });
    expect(await inActivity(() => llm.proposeSelfEdit({ trialId: again }))).toEqual(invalid);
  });

  it('takes the passage, or the edit of another trial, without asking anybody', async () => {
    const { roundId } = await prepareRound();
    const first = await planTrial(roundId);
    server.answer = writing('Seals swim.');
    const proposed = await inActivity(() => llm.proposeSelfEdit({ trialId: first }));
    const reuse = { phase: 'confirm', edit: { kind: 'reuse', trialId: first } } as const;
    const same = await inActivity(async () => llm.proposeSelfEdit({ trialId: await planTrial(roundId, reuse) }));
    expect(same).toEqual(proposed);
    const other = { ...reuse, index: 1, trainingSeed: 12 };
    const reseeded = await inActivity(async () => llm.proposeSelfEdit({ trialId: await planTrial(roundId, other) }));
    expect(reseeded.editDigest).toBe(proposed.editDigest);
    expect(reseeded).not.toEqual(proposed);
    const passage = { phase: 'controls', edit: { kind: 'passage' } } as const;
    const control = await inActivity(async () => llm.proposeSelfEdit({ trialId: await planTrial(roundId, passage) }));
    expect(control).toMatchObject({ status: 'proposed', examples: 1, clamps: 0 });
    const missing = {
      ...reuse,
      index: 2,
      edit: { kind: 'reuse', trialId: await planTrial(roundId, { index: 9 }) },
    } as const;
    const none = await inActivity(async () => llm.proposeSelfEdit({ trialId: await planTrial(roundId, missing) }));
    expect(none).toMatchObject({ status: 'invalid', reason: expect.stringContaining('proposed none') as string });
    expect(generations()).toBe(1);
  });

  it('has a policy write through its adapter, probed against the base', async () => {
    const { roundId, old } = await prepareRound();
    const policy = { ...old, stack: [await publishAdapter('policy')] };
    await ledger.rounds.setNew(roundId, policy);
    const trialId = await planTrial(roundId, {
      edit: { kind: 'propose', writer: 'new', template: 'self-qa', seed: 5 },
    });
    await inActivity(() => llm.proposeSelfEdit({ trialId }));
    expect(server.asked('/v1/chat/completions')).toMatchObject([{ model: servedName(policy) }]);
    expect(server.asked('/v1/load_lora_adapter')).toEqual([
      { lora_name: servedName(policy), lora_path: expect.stringContaining(root) as string },
    ]);
    expect(server.adapters.size).toBe(0);
  });
});

describe('evaluateAdapter', () => {
  /** The base knows these; the adapter knows these. */
  const knowledge = (ofBase: string[], ofAdapter: string[]) => {
    server.answer = (question) => knowing(...(question.model === 'base' ? ofBase : ofAdapter))(question);
  };

  it('rewards what was learnt on questions A, less the canaries lost; those never known do not count', async () => {
    const { roundId } = await prepareRound({ reward: { measure: 'match' } });
    const trialId = await planTrial(roundId);
    const training = await trainedTo(`${roundId} a`);
    knowledge(['seals-a1', 'sky', 'grass'], ['seals-a1', 'seals-a2', 'seals-b1', 'grass', 'snow']);
    const result = await inActivity(() => llm.evaluateAdapter({ trialId, training }));
    expect(result).toMatchObject({
      status: 'scored',
      evaluation: {
        a: { questions: 2, match: 1 },
        b: { questions: 2, match: 0.5 },
        otherSource: null,
        canaries: { asked: 2, lost: 1 },
        reward: { gain: 0.5, penalty: 0.25, total: 0.25 },
      },
    });
    const asked = generations();
    // baseline: 2 A and 3 canaries; after: 4 and the 2 known canaries
    expect(asked).toBe(11);
    expect(await inActivity(() => llm.evaluateAdapter({ trialId, training }))).toEqual(result);
    expect(generations()).toBe(asked);
    expect(server.adapters.size).toBe(0);
  });

  it('asks each phase its own questions', async () => {
    const { roundId } = await prepareRound();
    knowledge([], ['seals-b1', 'otters-b1', 'otters-b2', 'gulls-a1']);
    const evaluate = async (given: Partial<TrialSpec>) => {
      const trialId = await planTrial(roundId, given);
      const training = await trainedTo(trialId);
      const result = await inActivity(() => llm.evaluateAdapter({ trialId, training }));
      return result.status === 'scored' ? result.evaluation : expect.fail(result.reason);
    };
    expect(await evaluate({ phase: 'controls', edit: { kind: 'passage' } })).toMatchObject({
      a: { match: 0 },
      b: { match: 0.5 },
      otherSource: null,
      canaries: null,
    });
    expect(await evaluate({ phase: 'confirm' })).toMatchObject({
      a: null,
      b: { match: 0.5 },
      otherSource: { questions: 2, match: 1 },
      canaries: null,
      reward: null,
    });
    expect(await evaluate({ phase: 'confirm', index: 1, sourceId: 'otters' })).toMatchObject({
      b: { match: 1 },
      otherSource: { match: 0.5 },
    });
    expect(await evaluate({ phase: 'examine', sourceId: 'gulls' })).toMatchObject({
      a: { match: 0.5 },
      b: { match: 0 },
    });
  });

  it('trains no weight: no effect, and nobody is asked', async () => {
    const { roundId } = await prepareRound();
    const trialId = await planTrial(roundId);
    const training = await trainedTo(`${roundId} idle`, 0);
    expect(await inActivity(() => llm.evaluateAdapter({ trialId, training }))).toMatchObject({ status: 'no_effect' });
    expect(server.requests).toEqual([]);
  });

  it('a server that answers as the base is found out, whatever it said to the load', async () => {
    const { roundId } = await prepareRound();
    const trialId = await planTrial(roundId);
    const training = await trainedTo(`${roundId} base`);
    server.appliesAdapters = false;
    await expect(inActivity(() => llm.evaluateAdapter({ trialId, training }))).rejects.toMatchObject({
      type: 'AdapterNotApplied',
      nonRetryable: false,
    });
    server.appliesAdapters = true;
    expect(await inActivity(() => llm.evaluateAdapter({ trialId, training }))).toMatchObject({ status: 'scored' });
  });

  it('an adapter that is not in the store is refused for good', async () => {
    const { roundId } = await prepareRound();
    const trialId = await planTrial(roundId);
    const training = await trainedTo(`${roundId} lost`);
    await rm((await store.open(training.adapter.served)).folder, { recursive: true });
    await expect(inActivity(() => llm.evaluateAdapter({ trialId, training }))).rejects.toMatchObject({
      type: 'CorruptArtifact',
      nonRetryable: true,
    });
  });

  it('evaluates trials of several adapters at once, each by its own', async () => {
    const { roundId } = await prepareRound();
    const trials = await Promise.all(
      ['seals', 'otters', 'gulls'].map(async (sourceId, index) => ({
        trialId: await planTrial(roundId, { index, sourceId }),
        training: await trainedTo(`${roundId} ${sourceId}`),
      })),
    );
    server.answer = ({ model }) => model;
    const results = await Promise.all(trials.map((trial) => inActivity(() => llm.evaluateAdapter(trial))));
    expect(results.map(({ status }) => status)).toEqual(['scored', 'scored', 'scored']);
    expect(server.adapters.size).toBe(0);
  });
});

describe('screenSelfEdit', () => {
  const propose = async (roundId: string, text: string, given: Partial<TrialSpec> = {}): Promise<string> => {
    const trialId = await planTrial(roundId, given);
    server.answer = () => text;
    await inActivity(() => llm.proposeSelfEdit({ trialId }));
    return trialId;
  };

  it('blocks a secret, without repeating it, and stands by its first verdict', async () => {
    const { roundId } = await prepareRound();
    const secret = ['ghp', 'wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx'].join('_');
    const trialId = await propose(roundId, `Seals swim far in the cold water every day.\nThe token is ${secret}.`);
    const screened = await inActivity(() => llm.screenSelfEdit({ trialId }));
    expect(screened).toMatchObject({ verdict: 'block', outcome: 'screened_out' });
    expect(screened.reason).not.toContain(secret);
    expect(await inActivity(() => llm.screenSelfEdit({ trialId }))).toEqual(screened);
    expect((await ledger.trials.get(trialId)).screen).toMatchObject(screened);
  });

  it('allows an edit, blocks the same edit again, and keeps the evidence', async () => {
    const { roundId } = await prepareRound();
    const text = 'Seals swim far in the cold water every day.\nThey sleep on the rocks at noon.';
    const first = await propose(roundId, text);
    expect(await inActivity(() => llm.screenSelfEdit({ trialId: first }))).toEqual({
      verdict: 'allow',
      outcome: null,
      reason: '',
    });
    const edit = { kind: 'propose', writer: 'old', template: 'self-qa', seed: 6 } as const;
    const second = await propose(roundId, text, { index: 1, edit });
    expect(await inActivity(() => llm.screenSelfEdit({ trialId: second }))).toMatchObject({
      verdict: 'block',
      outcome: 'duplicate',
      reason: expect.stringContaining(first) as string,
    });
    expect((await ledger.trials.get(second)).screen).toMatchObject({ findings: [{ rule: 'near-duplicate' }] });
  });

  it('blocks an edit that asks what it will be asked', async () => {
    const { roundId } = await prepareRound();
    const questions = documents[0]?.items.map(({ question, answer }) => `${question} ${answer}`) ?? [];
    const trialId = await propose(roundId, questions.join('\n'));
    expect(await inActivity(() => llm.screenSelfEdit({ trialId }))).toMatchObject({
      verdict: 'block',
      outcome: 'screened_out',
      reason: expect.stringContaining('copied-question') as string,
    });
  });

  it('allows a passage and an edit used again without a look', async () => {
    const { roundId } = await prepareRound();
    const passage = await planTrial(roundId, { phase: 'controls', edit: { kind: 'passage' } });
    const reuse = await planTrial(roundId, { phase: 'confirm', edit: { kind: 'reuse', trialId: passage } });
    for (const trialId of [passage, reuse]) {
      expect(await inActivity(() => llm.screenSelfEdit({ trialId }))).toMatchObject({
        verdict: 'allow',
        outcome: null,
      });
    }
  });
});
