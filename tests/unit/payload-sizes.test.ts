import { describe, expect, it } from 'vitest';
import type { Trial } from '../../src/ledger/index.js';
import { roundDesign } from '../../src/experiment/round-design.js';
import { draftTrials, place } from '../../src/experiment/trial-plan.js';
import {
  activityContracts,
  bounds,
  briefOf,
  emptyResult,
  outcomes,
  resolveRecipe,
  roundConfigSchema,
  tasksOf,
  shardIdOf,
  textDigest,
  trialIdOf,
  type ActivityName,
  type AdapterRef,
  type ArtifactRef,
  type LoadedShard,
  type TrialSpec,
} from '../../src/contract/index.js';

// What an activity returns stays in a history for as long as there is one: the largest that the contract allows must be
// below the house's bound. Texts are of letters that take three bytes.

const bytesOf = (value: unknown): number => new TextEncoder().encode(JSON.stringify(value)).length;
const letters = (n: number): string => '語'.repeat(n);

/** The longest id that a person can give a round: Temporal takes 1,000 bytes, and children append to it. */
const roundId = 'r'.repeat(960);
const config = roundConfigSchema.parse({
  editsPerSource: 4,
  templates: ['implications-very-long'],
  sources: { train: 50 },
});
const sourceIds = Array.from({ length: 50 }, (_, i) => `${'a-title-of-forty-letters-'.repeat(2)}${i}-0a1b2c3d`);

const many = Array.from({ length: 4 }, (_, i) => sourceIds.map((id) => `${id}${i}`)).flat();
const purposes = roundDesign.purposes.map(({ name }) => name);

/** The first 200 specs of a purpose on `documents`; edits that are reused are all the candidates. */
async function planned(name: string, documents: string[]): Promise<TrialSpec[]> {
  const purpose = roundDesign.purposes.find((spec) => spec.name === name);
  if (purpose === undefined) throw new Error(`a round has no purpose ${name}`);
  const recorded = (specs: TrialSpec[]): Trial[] =>
    specs.map((spec) => ({
      spec,
      proposalKey: null,
      training: null,
      screen: null,
      result: emptyResult(spec.trialId, 'scored', ''),
    }));
  const drafts = await draftTrials(
    purpose,
    { config, templates: config.templates, hasNew: true, before: 0 },
    {
      sourceIds: () => Promise.resolve(documents),
      trials: async (of) => recorded(await planned(of, of === 'edits' ? sourceIds : documents)),
      chosen: async () => new Set((await planned('edits', sourceIds)).map(({ trialId }) => trialId)),
    },
  );
  return place(roundId, name, drafts)
    .slice(0, bounds.trialsPerShard)
    .map(({ spec }) => spec);
}

/** The 200 specs that a purpose plans for its first shard. */
async function worstShard(purpose: string): Promise<TrialSpec[]> {
  const specs = await planned(purpose, purpose === 'edits' ? sourceIds : many);
  expect(specs).toHaveLength(bounds.trialsPerShard);
  return specs;
}

/** What `loadShard` gives: late trials of the largest purpose, and as many recorded outcomes of each kind. */
const loadedOf = (specs: TrialSpec[]): LoadedShard => ({
  run: 9999,
  open: specs.map((spec, i) => briefOf({ ...spec, index: 79_800 + i })),
  recorded: {
    outcomes: Object.fromEntries(outcomes.map((outcome) => [outcome, 200])),
    deviceSeconds: 1e9 / 3,
    bestReward: -1 / 3,
  },
});

describe('loadShard', () => {
  it.each(purposes)(
    'gives 200 trials of "%s" in less than the bound, with the ids that were planned',
    async (purpose) => {
      const specs = await worstShard(purpose);
      const loaded = activityContracts.loadShard.result.parse(loadedOf(specs));
      expect(bytesOf(loaded)).toBeLessThan(bounds.payloadBytes);
      const tasks = tasksOf(loaded, { roundId, purpose, shard: 0 });
      const lateIds = specs.map((_, i) => trialIdOf(shardIdOf(roundId, purpose, 0), 79_800 + i));
      expect(tasks.map(({ trialId }) => trialId)).toEqual(lateIds);
      expect(tasks.map(({ edit }) => edit)).toEqual(specs.map(({ edit }) => edit.kind));
    },
  );

  it('cuts what another domain may name its sources', async () => {
    const specs = (await worstShard('edits')).map((spec, i) => ({ ...spec, sourceId: `${i}\n"${letters(500)}` }));
    expect(bytesOf(loadedOf(specs))).toBeLessThan(bounds.payloadBytes);
  });
});

const sha256 = textDigest('x');
const artifact: ArtifactRef = {
  uri: `artifact:sha256/${sha256}`,
  sha256,
  bytes: 2 ** 52,
  mediaType: 'application/vnd.x',
};
const adapter: AdapterRef = { layer: artifact, served: artifact, rank: 256 };
const stack = Array.from({ length: 8 }, () => adapter);
const name = letters(200);
const number = -1 / 3;
const scores = {
  questions: 1e6,
  means: { match: number, exactMatch: number, f1: number, logLikelihood: number },
};
const training = {
  trainingKey: sha256,
  base: name,
  baseDigest: sha256,
  stack,
  dataset: artifact,
  recipe: resolveRecipe({ preset: 'seal-reference' }),
  seed: 2 ** 48,
  tenant: 't'.repeat(40),
  maxDeviceSeconds: 1e9 / 3,
};
const evaluation = {
  a: scores,
  b: scores,
  otherSource: scores,
  canaries: { asked: 1e6, lost: 1e6 },
  reward: { gain: number, penalty: number, total: number },
};

describe('the largest results of the other activities', () => {
  const results = {
    prepareRound: {
      old: { base: name, baseDigest: sha256, stack },
      corpusDigest: sha256,
      trainSources: 80_000,
      heldOutSources: 10_000,
      questionsA: 1e6,
      questionsB: 1e6,
      canaries: 1e6,
      notes: Array.from({ length: 10 }, () => letters(600)),
    },
    buildPolicyTraining: { pairs: 1e6, training },
    proposeSelfEdit: { status: 'proposed', editDigest: sha256, examples: 4096, clamps: 99, training },
    evaluateAdapter: { status: 'scored', evaluation },
    recordOutcome: {
      version: 1,
      trialId: roundId,
      outcome: 'infra_failure',
      reason: letters(2000),
      editDigest: sha256,
      trainingKey: sha256,
      adapter,
      deviceSeconds: 1 / 3,
      reused: false,
      steps: 1e5,
      evaluation,
    },
    buildReport: {
      version: 1,
      report: artifact,
      releaseDigest: sha256,
      trials: Object.fromEntries(outcomes.map((outcome) => [outcome, 80_000])),
      arms: {
        base: number,
        inContext: number,
        rawPassage: number,
        selfEditMean: number,
        chosenOnB: number,
        otherSourceControl: number,
      },
      heldOut: {
        before: number,
        after: number,
        sources: 1e6,
        questions: 1e6,
        cells: { oldOld: number, oldNew: number, newOld: number, newNew: number },
      },
      canaries: { asked: 1e6, rightBefore: 1e6, rightAfter: 1e6, lost: 1e6 },
      warnings: Array.from({ length: 3 }, () => letters(700)),
      deviceSeconds: 1 / 3,
      markdown: letters(8192),
    },
  } satisfies Partial<Record<ActivityName, unknown>>;

  it.each(Object.entries(results))('%s', (activity, result) => {
    expect(activityContracts[activity as keyof typeof results].result.parse(result)).toEqual(result);
    expect(bytesOf(result)).toBeLessThan(bounds.payloadBytes);
  });
});
