import { roundDesign } from '../../src/experiment/round-design.js';
import type { Asks } from '../../src/contract/index.js';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { createLlmActivities } from '../../src/activities/llm/index.js';
import { ArtifactStore } from '../../src/artifacts/index.js';
import {
  mediaTypes,
  roundConfigSchema,
  textDigest,
  type AdapterRef,
  type LlmActivities,
  type ModelRef,
  type RoundConfigInput,
  type TrainResult,
  type TrialSpec,
} from '../../src/contract/index.js';
import { Domains } from '../../src/domains/index.js';
import { InferenceClient, type InferenceOptions } from '../../src/inference/index.js';
import type { Ledger } from '../../src/ledger/index.js';
import { askedRightly } from './asked.js';
import { FakeModelServer, type FakeQuestion } from './fake-model-server.js';
import { startLedger, type TestLedger } from './postgres.js';
import { scriptedDomain, scriptedSource } from './scripted-domain.js';

const base: ModelRef = { base: 'base', baseDigest: textDigest('base'), stack: [] };
export const documents = [
  scriptedSource('seals', 'train'),
  scriptedSource('otters', 'train'),
  scriptedSource('gulls', 'heldOut'),
];
const canaries = ['sky', 'grass', 'snow'].map((what) => ({
  itemId: what,
  content: { question: `the colour of ${what}?`, answer: what, otherAnswers: [] },
}));

export const quiet = { logger: new DefaultLogger('ERROR') };
export const inActivity = async <T>(
  work: () => Promise<T>,
  environment = new MockActivityEnvironment({ startToCloseTimeoutMs: 60_000 }, quiet),
): Promise<T> => environment.run(work);

/** What a model says that knows exactly these references. */
export const knowing =
  (...references: string[]) =>
  ({ prompt }: FakeQuestion): string =>
    [...documents.flatMap(({ items }) => items), ...canaries].find(
      ({ content }) => prompt.endsWith(content.question) && references.includes(content.answer),
    )?.content.answer ?? 'no idea';

/** The LLM activities over a real ledger and store; each test has its own model server, which answers as the test scripts it. */
export class LlmRig {
  ledger!: Ledger;
  store!: ArtifactStore;
  root!: string;
  server!: FakeModelServer;
  llm!: LlmActivities;
  #test!: TestLedger;
  #rounds = 0;

  async up(): Promise<void> {
    this.#test = await startLedger();
    this.ledger = this.#test.ledger;
    this.root = await mkdtemp(join(tmpdir(), 'selkie-asks-'));
    this.store = new ArtifactStore(this.root);
  }

  async down(): Promise<void> {
    await this.#test.stop();
    await rm(this.root, { recursive: true });
  }

  async freshServer(): Promise<void> {
    this.server = await FakeModelServer.start({ base: 'base' });
    this.askBy({});
  }

  /** The activities on a client of these options. */
  askBy(options: Partial<InferenceOptions>): void {
    const llm = createLlmActivities({
      ledger: this.ledger,
      store: this.store,
      domains: new Domains([scriptedDomain]),
      llmQueue: 'selkie-llm',
      inference: new InferenceClient({ baseUrl: this.server.baseUrl, timeoutMs: 5000, ...options }),
    });
    this.llm = askedRightly(llm);
  }

  /** A prepared round whose base no other test has asked, so that no answer is known yet. */
  async prepareRound(config: RoundConfigInput = {}): Promise<{ roundId: string; old: ModelRef }> {
    this.#rounds += 1;
    const roundId = `round-${this.#rounds}`;
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
    await this.ledger.rounds.claim({
      roundId,
      config: roundConfigSchema.parse({ domain: 'scripted', ...config }),
      configDigest: textDigest('config'),
    });
    await this.ledger.transaction(async (queries) => {
      await queries.corpora.freeze({
        corpusDigest,
        domain: 'scripted',
        origin: 'test',
        sources: documents,
        retention: { canary: canaries, frozen: [] },
      });
      await queries.rounds.prepare(roundId, { corpusDigest, model, old, liveRelease: null });
      await queries.rounds.insertSources(roundId, 'train', ['seals', 'otters']);
      await queries.rounds.insertSources(roundId, 'heldOut', ['gulls']);
    });
    return { roundId, old };
  }

  async planTrial(roundId: string, given: Partial<TrialSpec> = {}): Promise<string> {
    const purpose = given.purpose ?? 'edits';
    const index = given.index ?? 0;
    const trialId = `${roundId}.${purpose}.e${index}`;
    const spec: TrialSpec = {
      version: 1,
      trialId,
      roundId,
      purpose,
      index,
      sourceId: 'seals',
      edit: { kind: 'propose', writer: 'old', template: 'self-qa', seed: 5 },
      recipe: 'edit',
      learner: 'old',
      repeat: 0,
      trainingSeed: 11,
      asks: await this.#asksOf(roundId, purpose),
      ...given,
    };
    await this.ledger.trials.plan([{ spec, shard: 0, result: null }]);
    return trialId;
  }

  /** What a round's adapters of this purpose are asked. */
  async #asksOf(roundId: string, purpose: string): Promise<Asks> {
    const { config } = await this.ledger.rounds.prepared(roundId);
    const arm = roundDesign.purposes.find(({ name }) => name === purpose)?.arms[0];
    if (arm === undefined) throw new Error(`a round has no purpose ${purpose}`);
    return arm.asks(config);
  }

  /** An adapter in the store whose content is `name`. */
  async publishAdapter(name: string): Promise<AdapterRef> {
    const artifact = await this.store.put(mediaTypes.adapter, { 'adapter_config.json': JSON.stringify({ name }) });
    return { layer: artifact, served: artifact, rank: 8 };
  }

  async trainedTo(name: string, updateNorm = 1): Promise<TrainResult> {
    return {
      trainingKey: textDigest(name),
      adapter: await this.publishAdapter(name),
      steps: 20,
      tokens: 100,
      finalLoss: 0.5,
      updateNorm,
      deviceSeconds: 1,
      engine: 'solo',
      resumedFromStep: 0,
    };
  }

  /** How often the server was asked to write or answer. */
  generations(): number {
    return this.server.asked('/v1/chat/completions').length;
  }
}

/** A rig for a test file. */
export function useLlmRig(): LlmRig {
  const rig = new LlmRig();
  beforeAll(() => rig.up());
  afterAll(() => rig.down());
  beforeEach(() => rig.freshServer());
  afterEach(() => rig.server.stop());
  return rig;
}
