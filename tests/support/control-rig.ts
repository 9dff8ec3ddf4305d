import { roundDesign } from '../../src/experiment/round-design.js';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { findGateRules } from '../../src/activities/ledger/gate-rules.js';
import { createLedgerActivities } from '../../src/activities/ledger/index.js';
import { questionsOf } from '../../src/domains/questions.js';
import { ArtifactStore } from '../../src/artifacts/index.js';
import {
  canonicalDigest,
  emptyResult,
  mediaTypes,
  roundConfigSchema,
  textDigest,
  type ActivityResult,
  type AdapterRef,
  type LedgerActivities,
  type Evaluation,
  type GateResult,
  type GateSpec,
  type Purpose,
  type RoundConfigInput,
  type TrainRequest,
  type TrialResult,
  type TrialSpec,
} from '../../src/contract/index.js';
import type { Arm, RetentionItem, Source } from '../../src/domains/domain.js';
import { Domains } from '../../src/domains/index.js';
import { questionSchema } from '../../src/domains/knowledge/schema.js';
import { modelOf, type Ledger } from '../../src/ledger/index.js';
import { modelDigest } from '../../src/seal/keys.js';
import { releaseGate } from '../../src/governance/gates.js';
import { askedRightly } from './asked.js';
import { startLedger, type TestLedger } from './postgres.js';
import { scriptedDomain } from './scripted-domain.js';

export const document = (sourceId: string, role: Source['role']) => ({
  sourceId,
  role,
  content: { title: sourceId, text: `the text of ${sourceId}` },
  items: (['A', 'A', 'B', 'B'] as const).map((split, i) => ({
    itemId: `q${i}`,
    split,
    content: { question: `question ${i} on ${sourceId}?`, answer: `answer ${i}`, otherAnswers: [] as string[] },
  })),
});
export const documents = [
  document('d1', 'train'),
  document('d2', 'train'),
  document('h1', 'heldOut'),
  document('h2', 'heldOut'),
];
const probe = (question: string) => ({ question, answer: 'yes' });

export const model = {
  model: 'tiny',
  digest: textDigest('tiny'),
  parameters: 1000,
  dtype: 'float32',
  device: 'cpu',
  chat: false,
  maxLength: 256,
};
export const small = {
  domain: 'scripted',
  sources: { train: 2, heldOut: 2 },
  editsPerSource: 2,
} satisfies RoundConfigInput;

export const adapter = (name: string): AdapterRef => {
  const sha256 = textDigest(name);
  const ref = { uri: `artifact:sha256/${sha256}`, sha256, bytes: 1, mediaType: mediaTypes.adapter };
  return { layer: ref, served: ref, rank: 8 };
};

export const scores = (match: number) => ({ questions: 2, means: { match, logLikelihood: null } });

export const reward = (total: number) => ({ reward: { gain: total, penalty: 0, total } });

/** The control activities over a real ledger and store, and what the rest of a round would do between them. */
export class ControlRig {
  ledger!: Ledger;
  store!: ArtifactStore;
  folder!: string;
  databaseUrl!: string;
  /** asked for by the workflows that may */
  activities!: LedgerActivities;
  bare!: LedgerActivities;
  /** children and their parents, as the Temporal server was asked for them */
  readonly orphansLookedFor: [string, string][] = [];
  #test!: TestLedger;
  #startedAtMs = 0;

  async up(): Promise<void> {
    this.#test = await startLedger();
    this.databaseUrl = this.#test.url;
    this.ledger = this.#test.ledger;
    this.folder = await mkdtemp(join(tmpdir(), 'selkie-control-'));
    const corpusDir = join(this.folder, 'corpus');
    const sample = join(corpusDir, scriptedDomain.id);
    await mkdir(sample, { recursive: true });
    await writeFile(join(sample, 'documents.json'), JSON.stringify(documents));
    await writeFile(join(sample, 'canaries.json'), JSON.stringify(['c1', 'c2'].map(probe)));
    await writeFile(join(sample, 'frozen.json'), JSON.stringify([probe('f1')]));
    this.store = new ArtifactStore(join(this.folder, 'store'));
    const temporal = {
      searchAttributes: () => Promise.resolve(['SealTenant', 'SomebodyElses']),
      endOrphan: (workflowId: string, parentId: string) => {
        this.orphansLookedFor.push([workflowId, parentId]);
        return Promise.resolve();
      },
      endWithParent: () => Promise.resolve(),
    };
    const { ledger, store } = this;
    const corpusRoots = [this.folder];
    const domains = new Domains([scriptedDomain]);
    this.bare = createLedgerActivities({
      ledger,
      store,
      domains,
      design: roundDesign,
      corpusDir,
      corpusRoots,
      temporal,
    });
    this.activities = askedRightly(this.bare);
  }

  async down(): Promise<void> {
    await this.#test.stop();
    await rm(this.folder, { recursive: true });
  }

  /** Claims and prepares a round, as each run of it does first; a later run begins later. */
  async prepare(roundId: string, input: RoundConfigInput = small) {
    const config = roundConfigSchema.parse({ domain: scriptedDomain.id, ...input });
    this.#startedAtMs += 1;
    const claim = { roundId, config, configDigest: canonicalDigest(config), startedAtMs: this.#startedAtMs };
    await this.activities.claimRound(claim);
    return this.activities.prepareRound({ roundId, model });
  }

  /** The purpose's trials that are to run. */
  async planned(roundId: string, purpose: Purpose): Promise<TrialSpec[]> {
    await this.activities.planTrials({ roundId, purpose });
    const trials = await this.ledger.trials.ofPurpose(roundId, purpose);
    return trials.filter(({ result }) => result?.outcome !== 'skipped').map(({ spec }) => spec);
  }

  /** What a run of a purpose's first shard does first. */
  async begin(roundId: string, purpose: Purpose): Promise<ActivityResult<'loadShard'>> {
    this.#startedAtMs += 1;
    return this.activities.loadShard({ roundId, purpose, shard: 0, begins: { startedAtMs: this.#startedAtMs } });
  }

  /** Records an outcome as the latest run of the trial's shard. */
  async record(result: TrialResult): Promise<TrialResult> {
    const run = await this.ledger.runs.latest(result.trialId.replace(/\.e\d+$/, ''));
    return this.activities.recordOutcome({ ...result, run });
  }

  /** Ends the round as its latest run. */
  async close(roundId: string, status: 'completed' | 'failed' | 'cancelled', reason = ''): Promise<void> {
    const run = await this.ledger.runs.latest(roundId);
    await this.activities.closeRound({ roundId, run, status, reason });
  }

  /** Records a scored trial from the match on questions A and B; the rest as given. */
  async score(spec: TrialSpec, a: number, b: number, more: Partial<Evaluation> = {}): Promise<TrialResult> {
    return this.record({
      version: 1,
      trialId: spec.trialId,
      outcome: 'scored',
      reason: '',
      editDigest: textDigest(`edit of ${spec.trialId}`),
      trainingKey: textDigest(`training of ${spec.trialId}`),
      adapter: adapter(spec.trialId),
      deviceSeconds: 2,
      reused: false,
      steps: 20,
      evaluation: { a: scores(a), b: scores(b), otherSource: null, canaries: null, reward: null, ...more },
    });
  }

  fail(
    { trialId }: TrialSpec,
    outcome: 'invalid_edit' | 'infra_failure' | 'cancelled',
    reason: string,
  ): Promise<TrialResult> {
    return this.record({ ...emptyResult(trialId, outcome, reason), deviceSeconds: 1 });
  }

  /** Writes a proposal for the trial, as the LLM worker does. */
  async propose(spec: TrialSpec): Promise<void> {
    const { proposalKey } = await this.ledger.proposals.insert({
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
    await this.ledger.trials.setProposal(spec.trialId, proposalKey, null);
  }

  /** What a policy answered before any trial; `right` holds the questions that it knew. */
  async answer(roundId: string, version: 'old' | 'new', right: string[], inContext: string[] = []): Promise<void> {
    const round = await this.ledger.rounds.prepared(roundId);
    const retention = [
      ...(await this.ledger.corpora.retention(round.corpusDigest, 'canary')),
      ...(await this.ledger.corpora.retention(round.corpusDigest, 'frozen')),
    ];
    const isKnown = (known: string[], { content }: RetentionItem) =>
      known.includes(questionSchema.parse(content).question);
    const put = (source: Source | null, items: RetentionItem[], arm: Arm, known: string[]) =>
      questionsOf({ domain: scriptedDomain, style: 'chat' }, source, items, arm).map(
        ({ item, sourceId, itemDigest }) => ({
          modelDigest: modelDigest(modelOf(round, version)),
          itemDigest,
          arm,
          grader: scriptedDomain.grader,
          itemId: item.itemId,
          sourceId,
          item: item.content,
          answer: '',
          scores: { match: Number(isKnown(known, item)), logLikelihood: null },
        }),
      );
    await this.ledger.answers.insert([
      ...documents.flatMap((source) => put(source, source.items, 'closedBook', right)),
      ...documents.flatMap((source) => put(source, source.items, 'inContext', inContext)),
      ...put(null, retention, 'closedBook', right),
    ]);
  }

  /** Trains the policy of a round whose edits are recorded; what the runner would return. */
  async trainPolicy(roundId: string): Promise<TrainRequest> {
    const { training } = await this.activities.buildPolicyTraining({ roundId });
    if (training === null) throw new Error('no policy training');
    await this.activities.recordPolicy({
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

  /** The release gate of a round, as its workflow opens it. */
  async gateOf(roundId: string, digest: string): Promise<GateSpec> {
    const { config } = await this.ledger.rounds.get(roundId);
    return releaseGate(roundId, await findGateRules(this.ledger, config), { digest, subject: 'release it' });
  }

  /** The decision of a release gate, as a run of its workflow records it. */
  async decide(roundId: string, digest: string, outcome: GateResult['outcome'], run = 'run-1'): Promise<GateResult> {
    const spec = await this.gateOf(roundId, digest);
    const { gateId } = spec;
    const activities = askedRightly(this.bare, run);
    const { decided } = await activities.openGate(spec);
    if (decided !== null) return decided;
    const decision = {
      approver: 'ann',
      decision: outcome === 'rejected' ? ('reject' as const) : ('approve' as const),
      note: null,
      key: 'k',
      atMs: 1,
      counted: outcome !== 'hold',
      reason: '',
    };
    await activities.recordDecisions({ gateId, decisions: [decision] });
    const counts = { uncounted: 0, malformed: 0 };
    return activities.closeGate({ gateId, digest, outcome, reason: `test ${outcome}`, decisions: [], ...counts });
  }

  /** A round of which every edit is scored, up to its report. */
  async reported(roundId: string, input: RoundConfigInput): Promise<string> {
    await this.prepare(roundId, input);
    for (const spec of await this.planned(roundId, 'edits')) {
      await this.propose(spec);
      await this.score(spec, 1, 1, reward(spec.index + 1));
    }
    await this.activities.selectEdits({ roundId });
    await this.trainPolicy(roundId);
    return (await this.activities.buildReport({ roundId })).releaseDigest;
  }
}

/** A rig for a test file. */
export function useControlRig(): ControlRig {
  const rig = new ControlRig();
  beforeAll(() => rig.up());
  afterAll(() => rig.down());
  return rig;
}
