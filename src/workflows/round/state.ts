import {
  bounds,
  roundStages,
  type ActivityResult,
  type ArtifactRef,
  type GateView,
  type ModelRef,
  type Purpose,
  type RetentionNumbers,
  type RoundConfig,
  type RoundStatus,
  type ShardProgress,
  type ShardResult,
} from '../../contract/index.js';
import type { RunSignals } from '../runtime/run-signals.js';
import { countOf, emptyTally, summed } from '../trial/tally.js';

interface PurposeProgress {
  planned: number;
  shards: number;
  /** by shard; -1: those that were not run */
  results: Map<number, ShardResult>;
  /** what shards under way say */
  heard: Map<number, ShardResult>;
}

const most = 1e9;
const isPossible = ({ deviceSeconds, bestReward }: ShardResult): boolean =>
  deviceSeconds <= most && Math.abs(bestReward ?? 0) <= most;

/** A round's state: the source of its queries, its details and its search attributes. Plain; no Temporal in it. */
export class RoundState {
  stage: RoundStatus['stage'] = roundStages[0];
  model: ModelRef | null = null;
  /** what its corpus leaves out or lacks */
  corpusNotes: readonly string[] = [];
  selected: number | null = null;
  gate: GateView | null = null;
  /** the arms as markdown, once there is a report */
  table: string | null = null;
  report: ArtifactRef | null = null;
  /** of the policies, once there is a report */
  canaries: RetentionNumbers | null = null;
  /** what went wrong without ending anything; the report has its own */
  readonly warnings: string[] = [];
  readonly rejected = new RejectLog();

  /** why the policy was released, or why not; null: not decided yet */
  release: { released: boolean; reason: string } | null = null;
  readonly #begun = new Map<Purpose, PurposeProgress>();
  readonly #underWay = new Set<Purpose>();
  #shown: Purpose[] = [];
  #policySeconds = 0;
  #reportedSeconds: number | null = null;
  #reportWarnings: readonly string[] = [];

  constructor(
    readonly roundId: string,
    readonly config: RoundConfig,
    readonly signals: RunSignals,
  ) {}

  /** A purpose of trials begins; `skipped` of them are over the cap and recorded already. */
  beginTrials(purpose: Purpose, planned: number, skipped: number, shards: number): void {
    const results = new Map(skipped > 0 ? [[-1, { ...emptyTally, outcomes: { skipped } }]] : []);
    this.#begun.set(purpose, { planned, shards, results, heard: new Map() });
    this.#underWay.add(purpose);
    this.#shown = [...this.#underWay];
  }

  /** The last purpose to end is shown on. */
  endTrials(purpose: Purpose): void {
    this.#underWay.delete(purpose);
    if (this.#underWay.size > 0) this.#shown = [...this.#underWay];
  }

  /** What a shard came to, by its own result. */
  ended({ purpose, shard, soFar }: ShardProgress): void {
    this.#begun.get(purpose)?.results.set(shard, soFar);
  }

  /**
   * How far a shard is by its own report. Anyone can send one, so it is shown and decides nothing: false for what no
   * shard in progress can have reached, and for an older report than the last.
   */
  heard({ purpose, shard, soFar }: ShardProgress): boolean {
    const begun = this.#underWay.has(purpose) ? this.#begun.get(purpose) : undefined;
    if (begun === undefined || shard >= begun.shards || begun.results.has(shard)) return false;
    const count = countOf(soFar.outcomes);
    const before = begun.heard.get(shard);
    const possible = count <= Math.min(begun.planned, bounds.trialsPerShard) && isPossible(soFar);
    if (!possible || (before !== undefined && count < countOf(before.outcomes))) return false;
    begun.heard.set(shard, soFar);
    return true;
  }

  /** What the ledger made of the round: of trainings that were done before it knows that they cost nothing. */
  reported(report: Pick<ActivityResult<'buildReport'>, 'markdown' | 'canaries' | 'warnings' | 'deviceSeconds'>): void {
    this.table = report.markdown;
    this.canaries = report.canaries;
    this.#reportWarnings = report.warnings;
    this.#reportedSeconds = report.deviceSeconds;
  }

  trainedPolicy(deviceSeconds: number): void {
    this.#policySeconds += deviceSeconds;
  }

  /** The purposes of trials under way, or the last one. */
  get purposes(): readonly Purpose[] {
    return this.#shown;
  }

  /** Of those purposes, with what shards under way say. */
  get current(): ShardResult {
    return this.#shownOf(this.#shown);
  }

  /** Of all purposes so far, with what shards under way say. */
  get shownTotal(): ShardResult {
    return this.#shownOf([...this.#begun.keys()]);
  }

  /** Of all purposes so far, by the results of the shards alone: what decides. */
  get total(): ShardResult {
    return summed([...this.#begun.values()].flatMap(({ results }) => [...results.values()]));
  }

  #shownOf(purposes: readonly Purpose[]): ShardResult {
    return summed(
      purposes.flatMap((purpose) => {
        const { results, heard } = this.#begun.get(purpose) ?? {
          results: new Map<number, ShardResult>(),
          heard: new Map(),
        };
        return [...new Map<number, ShardResult>([...heard, ...results]).values()];
      }),
    );
  }

  /** Of the candidate edits alone: a control is asked no canaries, and its reward lacks their penalty. */
  get bestReward(): number | null {
    return this.#shownOf(['edits']).bestReward;
  }

  /** What the `status` query answers. */
  get status(): RoundStatus {
    const { outcomes } = this.current;
    const planned = this.#shown.reduce((sum, purpose) => sum + (this.#begun.get(purpose)?.planned ?? 0), 0);
    return {
      roundId: this.roundId,
      stage: this.stage,
      paused: this.signals.paused && !this.signals.stopping,
      stopping: this.signals.stopping,
      model: this.model,
      trials: { planned, done: countOf(outcomes), outcomes },
      deviceSeconds: this.#reportedSeconds ?? this.shownTotal.deviceSeconds + this.#policySeconds,
      caps: this.config.caps,
      selected: this.selected,
      bestReward: this.bestReward,
      gateId: this.gate?.spec.gateId ?? null,
      canaries: this.canaries,
      warnings: [...this.warnings, ...this.#reportWarnings],
      report: this.report,
      rejectedMessages: this.rejected.messages,
    };
  }
}

type RejectedMessage = RoundStatus['rejectedMessages'][number];

const keptMessages = 50;

/** Messages that were of no use, so that a person sees why nothing happened: all counted, the latest kept. */
class RejectLog {
  readonly #messages: RejectedMessage[] = [];
  #count = 0;

  add(message: RejectedMessage): void {
    this.#count += 1;
    this.#messages.push({ ...message, reason: message.reason.slice(0, 300) });
    if (this.#messages.length > keptMessages) this.#messages.shift();
  }

  get count(): number {
    return this.#count;
  }

  get messages(): RejectedMessage[] {
    return [...this.#messages];
  }
}
