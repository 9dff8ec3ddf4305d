import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLedgerActivities } from '../../../src/activities/ledger/index.js';
import { createLlmActivities } from '../../../src/activities/llm/index.js';
import { ArtifactStore } from '../../../src/artifacts/index.js';
import {
  canonicalDigest,
  emptyResult,
  mediaTypes,
  roundConfigSchema,
  type LedgerActivities,
  type LlmActivities,
  type RoundConfigInput,
  type TrainRequest,
  type TrainResult,
} from '../../../src/contract/index.js';
import { Domains } from '../../../src/domains/index.js';
import { roundDesign } from '../../../src/experiment/round-design.js';
import { InferenceClient } from '../../../src/inference/index.js';
import { modelDigest } from '../../../src/seal/keys.js';
import { questionsOf } from '../../../src/domains/questions.js';
import { askedRightly } from '../../support/asked.js';
import { model } from '../../support/control-rig.js';
import { FakeModelServer, type FakeQuestion } from '../../support/fake-model-server.js';
import { inActivity } from '../../support/llm-rig.js';
import { startLedger, type TestLedger } from '../../support/postgres.js';
import { gridText, readGrid, transpositionDomain } from '../../support/transposition-domain.js';

type Grid = number[][];
const transposed = (grid: Grid): Grid => (grid[0] ?? []).map((_, x) => grid.map((row) => row[x] ?? 0));
const pair = (input: Grid) => ({ input, output: transposed(input) });
/** A grid of two rows, another one for each number. */
const gridOf = (n: number): Grid => [0, 1].map((y) => [0, 1, 2].map((x) => (7919 * (n + 1) + 61 * (3 * y + x)) % 90));
const source = (id: string, part: 'train' | 'heldOut', from: number) => ({
  id,
  part,
  pairs: [0, 1, 2, 3, 4].map((i) => pair(gridOf(from + i))),
});
const corpus = [source('a', 'train', 0), source('b', 'train', 10), source('c', 'heldOut', 20)];
const canaries = [pair(gridOf(30)), pair(gridOf(31))];

/** The base copies the grid, an adapter transposes it; both write a pair when they are asked for more. */
function answer({ model: served, prompt, sampling }: FakeQuestion): string {
  if (prompt.startsWith('More pairs')) {
    const made = gridOf(Number(sampling['seed']) % 1000);
    return `${gridText(made)}\n=\n${gridText(transposed(made))}\n`;
  }
  const input = readGrid(prompt.split('\n\n').at(-1)?.split('\n=')[0] ?? '') ?? [];
  return `${gridText(served === 'base' ? input : transposed(input))}\n\n1 2\n3 4`;
}

const roundId = 'grids';
const input: RoundConfigInput = {
  domain: 'transposition',
  model: 'base',
  promptStyle: 'base',
  sources: { train: 2, heldOut: 1 },
  editsPerSource: 2,
  reward: { measure: 'cells' },
};

let test: TestLedger;
let root: string;
let store: ArtifactStore;
let server: FakeModelServer;
let ledger: LedgerActivities;
let llm: LlmActivities;

beforeAll(async () => {
  test = await startLedger();
  root = await mkdtemp(join(tmpdir(), 'selkie-grids-'));
  const sample = join(root, 'corpus', 'transposition');
  await mkdir(sample, { recursive: true });
  await writeFile(join(sample, 'grids.json'), JSON.stringify(corpus));
  await writeFile(join(sample, 'canaries.json'), JSON.stringify(canaries));
  store = new ArtifactStore(join(root, 'store'));
  server = await FakeModelServer.start({ base: 'base', answer });
  const shared = { ledger: test.ledger, store, domains: new Domains([transpositionDomain]) };
  ledger = askedRightly(
    createLedgerActivities({ ...shared, design: roundDesign, corpusDir: join(root, 'corpus'), corpusRoots: [root] }),
  );
  const inference = new InferenceClient({ baseUrl: server.baseUrl, timeoutMs: 5000 });
  llm = askedRightly(createLlmActivities({ ...shared, llmQueue: 'selkie-llm', inference }));
});
afterAll(async () => {
  await server.stop();
  await test.stop();
  await rm(root, { recursive: true });
});

/** What the runner would return: an adapter named by its training. */
async function train({ trainingKey }: TrainRequest): Promise<TrainResult> {
  const artifact = await store.put(mediaTypes.adapter, { 'adapter_config.json': trainingKey });
  const adapter = { layer: artifact, served: artifact, rank: 8 };
  const spent = { steps: 5, tokens: 50, finalLoss: 0.1, updateNorm: 1, deviceSeconds: 1 };
  return { trainingKey, adapter, ...spent, engine: 'solo', resumedFromStep: 0 };
}

/** Plans a purpose's trials and runs each as its workflow does; returns their outcomes. */
async function runTrials(purpose: string): Promise<string[]> {
  const { trials } = await ledger.planTrials({ roundId, purpose });
  if (trials === 0) return [];
  const { run } = await ledger.loadShard({ roundId, purpose, shard: 0, begins: { startedAtMs: 1 } });
  const planned = await test.ledger.trials.ofPurpose(roundId, purpose);
  const outcomes: string[] = [];
  for (const { spec } of planned) {
    const { trialId } = spec;
    const proposed = await inActivity(() => llm.proposeSelfEdit({ trialId }));
    if (proposed.status === 'invalid') throw new Error(proposed.reason);
    const { verdict, reason } = await inActivity(() => llm.screenSelfEdit({ trialId }));
    expect(verdict, reason).toBe('allow');
    const training = await train(proposed.training);
    const evaluated = await inActivity(() => llm.evaluateAdapter({ trialId, training }));
    if (evaluated.status !== 'scored') throw new Error(evaluated.reason);
    const { trainingKey, adapter, deviceSeconds, steps } = training;
    const { outcome } = await ledger.recordOutcome({
      ...emptyResult(trialId, 'scored', ''),
      ...{ editDigest: proposed.editDigest, trainingKey, adapter, deviceSeconds, steps },
      evaluation: evaluated.evaluation,
      run,
    });
    outcomes.push(outcome);
  }
  return outcomes;
}

describe('a domain of grids, whose answers have several lines', () => {
  const config = roundConfigSchema.parse(input);
  const claim = { roundId, config, configDigest: canonicalDigest(config), startedAtMs: 1 };

  it('is chosen by its name, and what it does not have is refused with what it has', async () => {
    const refused = (more: RoundConfigInput) =>
      ledger.claimRound({ ...claim, config: roundConfigSchema.parse({ ...input, ...more }) });
    await expect(refused({ domain: 'transpositon' })).rejects.toMatchObject({
      type: 'InvalidConfig',
      nonRetryable: true,
      message: 'domain: there is no "transpositon" (did you mean "transposition"?); there are transposition',
    });
    await expect(refused({ templates: ['self-qa'], reward: { measure: 'match' } })).rejects.toMatchObject({
      type: 'InvalidConfig',
      message:
        'templates: there is no "self-qa"; there are more-pairs\n' +
        'reward.measure: there is no "match"; there are blend, solved, cells, logLikelihood',
    });
  });

  it('is read and frozen, with its own canaries', async () => {
    await ledger.claimRound(claim);
    expect(await ledger.prepareRound({ roundId, model: { ...model, model: 'base' } })).toMatchObject({
      trainSources: 2,
      heldOutSources: 1,
      questionsA: 4,
      questionsB: 4,
      canaries: 2,
    });
    expect(await test.ledger.corpora.roundSources(roundId, 'heldOut')).toMatchObject([
      { sourceId: 'c', content: { shown: pair(gridOf(20)) } },
    ]);
  });

  it('is asked with its own sampling, and a grid of several rows is kept whole', async () => {
    await inActivity(() => llm.measureBaseline({ roundId, learner: 'old', part: 0 }));
    expect(server.asked('/v1/completions').filter(({ echo }) => echo !== true)[0]).toMatchObject({
      max_tokens: 24,
      temperature: 0,
      stop: ['\n\n'],
    });
    const { old, corpusDigest } = await test.ledger.rounds.prepared(roundId);
    const first = await test.ledger.corpora.source(corpusDigest, 'a');
    const [question] = questionsOf({ domain: transpositionDomain, style: 'base' }, first, first.items, 'closedBook');
    if (question === undefined) throw new Error('no item');
    const { grader } = transpositionDomain;
    const [kept] = await test.ledger.answers.find(modelDigest(old), [question.itemDigest], 'closedBook', grader);
    expect(kept).toMatchObject({ grader: 'transposition/cells-1', answer: gridOf(1), item: pair(gridOf(1)) });
    expect(kept?.scores).toMatchObject({ solved: 0, logLikelihood: expect.any(Number) as number });
  });

  it('rewards the component that the config names, selects, and trains a policy', async () => {
    expect(await runTrials('edits')).toEqual(Array.from({ length: 4 }, () => 'scored'));
    const [trial] = await test.ledger.trials.ofPurpose(roundId, 'edits');
    expect(trial?.spec.edit).toMatchObject({ template: 'more-pairs' });
    const { a, reward } = trial?.result?.evaluation ?? {};
    expect(a).toMatchObject({ questions: 2, means: { solved: 1, cells: 1 } });
    // of six cells the base has the first one right, and at least that
    expect(reward?.gain).toBeGreaterThan(0);
    expect(reward?.gain).toBeLessThanOrEqual(5 / 6);
    expect(await ledger.selectEdits({ roundId })).toMatchObject({ chosen: 2, sources: 2 });
    const { pairs, training } = await ledger.buildPolicyTraining({ roundId });
    if (training === null) throw new Error('no policy training');
    expect(pairs).toBe(2);
    await ledger.recordPolicy({ roundId, training: await train(training) });
    await inActivity(() => llm.measureBaseline({ roundId, learner: 'new', part: 0 }));
  });

  it('is examined and reported in its primary component', async () => {
    for (const purpose of ['controls', 'confirm', 'examine', 'cross']) {
      expect(new Set(await runTrials(purpose)), purpose).toEqual(new Set(['scored']));
    }
    const { markdown, canaries: kept } = await ledger.buildReport({ roundId });
    expect(markdown).toContain('| questions B, which chose nothing | solved |');
    expect(markdown).toMatch(/trained on the chosen self-edit \| 100\.0 %/);
    expect(markdown).toMatch(/closed book \| 0\.0 %/);
    expect(kept).toEqual({ asked: 2, rightBefore: 0, rightAfter: 2, lost: 0 });
  });
});
