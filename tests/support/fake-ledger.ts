import { activityInfo } from '@temporalio/activity';
import type { Caller } from '../../src/activities/callers.js';
import { closeGate, openGate, recordDecisions } from '../../src/activities/ledger/gates.js';
import { checkRelease, releasePolicy } from '../../src/activities/ledger/release.js';
import type { LedgerDeps } from '../../src/activities/ledger/index.js';
import {
  briefOf,
  roundIdOf,
  roundNumberOf,
  searchAttributes,
  shardIdOf,
  textDigest,
  trialIdOf,
  type ActivityRequest,
  type ActivityResult,
  type AdapterRef,
  type ArtifactRef,
  type DecisionRecord,
  type GateResult,
  type ModelRef,
  type Purpose,
  type RoundConfig,
  type SearchAttributeName,
  type TrainRequest,
  type TrialResult,
  type TrialSpec,
} from '../../src/contract/index.js';
import { counted, emptyTally } from '../../src/workflows/trial/tally.js';
import { FakeGates, FakeReleases } from './fake-gates.js';
import type { Answers } from './scripted-activities.js';

interface FakeRound {
  config: RoundConfig;
  configDigest: string;
  shards: Map<string, TrialSpec[]>;
  status: string;
  pairs: number;
  /** what its outcomes were built into: they are not opened again */
  builtOn: Set<Purpose>;
  old: ModelRef | null;
  new: ModelRef | null;
}

const artifact = (name: string): ArtifactRef => {
  const sha256 = textDigest(name);
  return { uri: `artifact:sha256/${sha256}`, sha256, bytes: 1, mediaType: 'application/json' };
};
export const adapterOf = (key: string): AdapterRef => ({
  layer: artifact(`layer ${key}`),
  served: artifact(`served ${key}`),
  rank: 8,
});

/** Of a trial by its id, of a policy by `<round id> policy`. */
export const trainingKeyOf = (what: string): string => textDigest(what);

/** A ledger in memory and a model that learns at once: what the scripted activities answer as usual. */
export class FakeLedger {
  readonly rounds = new Map<string, FakeRound>();
  readonly trials = new Map<string, TrialSpec>();
  readonly outcomes = new Map<string, TrialResult>();
  /** of rounds and shards, by workflow id */
  readonly runs = new Map<string, { run: number; startedAtMs: number }>();
  readonly instances = new FakeGates();
  readonly releases = new FakeReleases();
  registered = Object.keys(searchAttributes) as SearchAttributeName[];
  trialsPerShard = 200;

  /** Outcomes of a round's purpose, by trial. */
  outcomesOf(roundId: string, purpose: Purpose): Record<string, string> {
    const of = [...this.trials.values()].filter((t) => t.roundId === roundId && t.purpose === purpose);
    return Object.fromEntries(of.map((t) => [t.trialId, this.outcomes.get(t.trialId)?.outcome ?? 'none']));
  }

  /** How each gate stands: null while it is open. */
  get gates(): Map<string, GateResult | null> {
    return this.instances.results;
  }

  get decisions(): DecisionRecord[] {
    return this.instances.recorded;
  }

  /** The rounds whose policies were released. */
  get released(): string[] {
    return this.releases.published.map(({ roundId }) => roundId);
  }

  /** What the real activities of gates and releases work with. */
  get #deps(): LedgerDeps {
    const prepared = (roundId: string) => Promise.resolve({ roundId, ...this.#round(roundId) });
    const reports = {
      get: (roundId: string) => Promise.resolve({ releaseDigest: textDigest(`release ${roundId}`) }),
    };
    const queries = {
      gates: this.instances,
      releases: this.releases,
      rounds: { get: prepared, prepared },
      reports,
      tenantPolicies: { latest: () => Promise.resolve(null) },
    };
    const ledger = { ...queries, transaction: <T>(work: (within: typeof queries) => Promise<T>) => work(queries) };
    return { ledger } as unknown as LedgerDeps;
  }

  get answers(): Answers {
    return {
      resumeCampaign: (request) => this.#resume(request),
      checkServer: () => ({}),
      endOrphans: () => ({}),
      endWithParent: () => ({}),
      claimRound: ({ roundId, config, configDigest, startedAtMs }) => {
        const fresh = {
          config,
          configDigest,
          shards: new Map(),
          pairs: 0,
          builtOn: new Set<Purpose>(),
          old: null,
          new: null,
        };
        this.rounds.set(roundId, { ...(this.rounds.get(roundId) ?? fresh), status: 'running' });
        this.#begin(roundId, startedAtMs);
        return { searchAttributes: this.registered, run: this.#run(roundId) };
      },
      describeModel: ({ model }) => ({
        model,
        digest: textDigest(model),
        parameters: 1000,
        dtype: 'float32',
        device: 'cpu',
        chat: true,
        maxLength: 512,
      }),
      prepareRound: ({ roundId, model }) => {
        const round = this.#round(roundId);
        const { sources, startStack } = round.config;
        round.old ??= { base: model.model, baseDigest: model.digest, stack: startStack };
        return {
          old: round.old,
          corpusDigest: textDigest('corpus'),
          trainSources: sources.train,
          heldOutSources: sources.heldOut,
          questionsA: 3,
          questionsB: 3,
          canaries: 2,
          notes: [],
        };
      },
      measureBaseline: () => ({ asked: 6, cached: 0 }),
      planTrials: ({ roundId, purpose }) => this.#plan(roundId, purpose),
      loadShard: ({ roundId, purpose, shard, begins }) => {
        const shardId = shardIdOf(roundId, purpose, shard);
        const specs = this.#round(roundId).shards.get(shardId) ?? [];
        if (begins && this.#begin(shardId, begins.startedAtMs) && !this.#round(roundId).builtOn.has(purpose)) {
          for (const { trialId } of specs) this.#reopen(trialId);
        }
        return {
          run: this.#run(shardId),
          open: specs.filter(({ trialId }) => !this.outcomes.has(trialId)).map(briefOf),
          recorded: specs
            .flatMap(({ trialId }) => this.outcomes.get(trialId) ?? [])
            .reduce((tally, result) => counted(tally, result), emptyTally),
        };
      },
      proposeSelfEdit: ({ trialId }) => ({
        status: 'proposed',
        editDigest: textDigest(`edit ${trialId}`),
        examples: 2,
        clamps: 0,
        training: trainingOf(trialId),
      }),
      screenSelfEdit: () => ({ verdict: 'allow', outcome: null, reason: '' }),
      trainAdapter: ({ trainingKey }) => ({
        trainingKey,
        adapter: adapterOf(trainingKey),
        steps: 4,
        tokens: 100,
        finalLoss: 0.5,
        updateNorm: 1,
        deviceSeconds: 2,
        engine: 'solo',
        resumedFromStep: 0,
      }),
      evaluateAdapter: ({ trialId }) => {
        const gain = (this.#trial(trialId).index % 3) / 10;
        const scores = { questions: 3, means: { match: gain, logLikelihood: -1 } };
        return {
          status: 'scored',
          evaluation: {
            a: scores,
            b: scores,
            otherSource: null,
            canaries: { asked: 2, lost: 0 },
            reward: { gain, penalty: 0, total: gain },
          },
        };
      },
      recordOutcome: ({ run, ...result }) => {
        const { trialId } = result;
        const isLatest = run === this.#run(trialId.replace(/\.e\d+$/, ''));
        if (isLatest && !this.outcomes.has(trialId)) this.outcomes.set(trialId, result);
        return this.outcomes.get(trialId) ?? result;
      },
      selectEdits: ({ roundId }) => {
        this.#round(roundId).builtOn.add('edits');
        const chosen = this.#scored(roundId, 'edits').filter((t) => this.#reward(t) > 0);
        this.#round(roundId).pairs = chosen.length;
        return {
          selectionDigest: textDigest('selection'),
          chosen: chosen.length,
          sources: this.#round(roundId).config.sources.train,
          ties: 0,
          meanReward: chosen.length === 0 ? null : 0.1,
          bestReward: chosen.length === 0 ? null : 0.2,
        };
      },
      buildPolicyTraining: ({ roundId }) => {
        const { pairs } = this.#round(roundId);
        return { pairs, training: pairs === 0 ? null : trainingOf(`${roundId} policy`) };
      },
      recordPolicy: ({ roundId, training }) => {
        const round = this.#round(roundId);
        const { base, baseDigest } = round.old ?? { base: 'model', baseDigest: textDigest('model') };
        round.new ??= { base, baseDigest, stack: [training.adapter] };
        return { new: round.new };
      },
      buildReport: ({ roundId }) => ({
        version: 1,
        report: artifact(`report ${roundId}`),
        releaseDigest: textDigest(`release ${roundId}`),
        trials: { scored: this.#scored(roundId, 'edits').length },
        arms: {
          base: 0.1,
          inContext: 0.5,
          rawPassage: 0.2,
          selfEditMean: 0.2,
          chosenOnB: 0.3,
          otherSourceControl: 0.1,
        },
        heldOut: {
          before: 0.1,
          after: 0.2,
          sources: 1,
          questions: 3,
          cells: { oldOld: 0.1, oldNew: 0.1, newOld: 0.2, newNew: 0.2 },
        },
        canaries: { asked: 2, rightBefore: 2, rightAfter: 1, lost: 1 },
        warnings: [],
        deviceSeconds: 10,
        markdown: '| arm | match |\n|---|---|\n| base | 10 % |',
      }),
      openGate: (spec) => openGate(this.#deps, spec, caller()),
      recordDecisions: (request) => recordDecisions(this.#deps, request, caller()),
      closeGate: (claim) => closeGate(this.#deps, claim, caller()),
      checkRelease: (request) => checkRelease(this.#deps, request),
      releasePolicy: (request) => releasePolicy(this.#deps, request),
      closeRound: ({ roundId, run, status }) => {
        if (run === this.#run(roundId)) this.#round(roundId).status = status;
        return {};
      },
    };
  }

  #begin(workflowId: string, startedAtMs: number): boolean {
    const latest = this.runs.get(workflowId);
    if (latest !== undefined && latest.startedAtMs >= startedAtMs) return false;
    this.runs.set(workflowId, { run: this.#run(workflowId) + 1, startedAtMs });
    return true;
  }

  #run = (workflowId: string): number => this.runs.get(workflowId)?.run ?? 0;

  #reopen(trialId: string): void {
    const outcome = this.outcomes.get(trialId)?.outcome;
    if (outcome === 'cancelled' || outcome === 'infra_failure') this.outcomes.delete(trialId);
  }

  #resume({ campaignId, nextRound, round }: ActivityRequest<'resumeCampaign'>): ActivityResult<'resumeCampaign'> {
    const completed = [...this.rounds].flatMap(([id, { config, status }]) =>
      config.campaign === campaignId && status === 'completed' ? [roundNumberOf(id) ?? 0] : [],
    );
    const latest = completed.sort((a, b) => b - a).slice(0, 20);
    const next = Math.max(nextRound, (latest[0] ?? 0) + 1);
    const begun = this.rounds.get(roundIdOf(campaignId, next));
    const live = this.released.at(-1);
    const released = live === undefined ? round.startStack : [adapterOf(trainingKeyOf(`${live} policy`))];
    return { nextRound: next, startStack: begun?.config.startStack ?? released, completed: latest };
  }

  #round(roundId: string): FakeRound {
    const round = this.rounds.get(roundId);
    if (round === undefined) throw new Error(`no round ${roundId}`);
    return round;
  }

  #trial(trialId: string): TrialSpec {
    const trial = this.trials.get(trialId);
    if (trial === undefined) throw new Error(`no trial ${trialId}`);
    return trial;
  }

  #reward = ({ trialId }: TrialSpec): number => this.outcomes.get(trialId)?.evaluation?.reward?.total ?? 0;

  #scored(roundId: string, purpose: Purpose): TrialSpec[] {
    return [...this.trials.values()].filter(
      (t) => t.roundId === roundId && t.purpose === purpose && this.outcomes.get(t.trialId)?.outcome === 'scored',
    );
  }

  #plan(roundId: string, purpose: Purpose): { trials: number; skipped: number; shards: number } {
    const { sources, editsPerSource, caps } = this.#round(roundId).config;
    const chosen = this.#scored(roundId, 'edits').filter((t) => this.#reward(t) > 0).length;
    const wanted = {
      edits: sources.train * editsPerSource,
      controls: sources.train,
      confirm: chosen,
      examine: sources.heldOut * 2,
      cross: sources.heldOut * 2,
    }[purpose];
    if (wanted === undefined) throw new Error(`a round has no purpose ${purpose}`);
    const trials = Math.min(wanted, caps.maxEditsPerRound);
    const shards = Math.ceil(trials / this.trialsPerShard);
    for (let position = 0; position < trials; position += 1) {
      this.#add(roundId, purpose, Math.floor(position / this.trialsPerShard), position);
    }
    return { trials, skipped: wanted - trials, shards };
  }

  #add(roundId: string, purpose: Purpose, shard: number, position: number): void {
    const shardId = shardIdOf(roundId, purpose, shard);
    // planning again finds the same plan
    if (this.trials.has(trialIdOf(shardId, position))) return;
    const specs = this.#round(roundId).shards.get(shardId) ?? [];
    // planned before, by a run that was reset
    if (specs.some(({ index }) => index === position)) return;
    const trial: TrialSpec = {
      version: 1,
      trialId: trialIdOf(shardId, position),
      roundId,
      purpose,
      index: position,
      sourceId: `doc-${position}`,
      edit:
        purpose === 'controls'
          ? { kind: 'passage', matchedTo: 'edits' }
          : { kind: 'propose', writer: 'old', template: 'self-qa', seed: 1 },
      recipe: 'edit',
      learner: 'old',
      repeat: 0,
      trainingSeed: position,
      asks: { mode: 'closedBook', splits: ['A', 'B'], otherSource: false, canaries: true },
    };
    this.trials.set(trial.trialId, trial);
    this.#round(roundId).shards.set(shardId, [...specs, trial]);
  }
}

function caller(): Caller {
  const { workflowType = '', workflowExecution = { workflowId: '', runId: '' } } = activityInfo();
  return { workflowType, ...workflowExecution };
}

const trainingOf = (key: string): TrainRequest => ({
  trainingKey: trainingKeyOf(key),
  base: 'model',
  baseDigest: textDigest('model'),
  stack: [],
  dataset: artifact(`dataset ${key}`),
  recipe: {
    rank: 8,
    alpha: 16,
    targets: 'qv',
    learningRate: 0.001,
    schedule: 'linear',
    epochs: 2,
    batchSize: 1,
    maxSteps: 4,
    maxLength: 64,
    maxGradNorm: 1,
    weightDecay: 0,
    lossOnPadding: 'mask',
    appendEos: true,
  },
  seed: 1,
  tenant: 'demo',
  maxDeviceSeconds: 10,
});
