import {
  roundPhases,
  type ActivityResult,
  type ArtifactRef,
  type GateView,
  type ModelRef,
  type Phase,
  type ProbeNumbers,
  type RoundConfig,
  type RoundStatus,
  type ShardProgress,
  type ShardResult,
} from '../contract/index.js';
import type { Controls } from './controls.js';
import { RejectLog } from './reject-log.js';
import { countOf, emptyTally, summed } from './tally.js';

/** Where a round stands: what its queries, its details and its search attributes are made of. Plain; no Temporal in it. */
export class RoundState {
  phase: RoundStatus['phase'] = roundPhases[0];
  model: ModelRef | null = null;
  selected: number | null = null;
  gate: GateView | null = null;
  /** the arms as markdown, once there is a report */
  table: string | null = null;
  report: ArtifactRef | null = null;
  /** of the policies, once there is a report */
  canaries: ProbeNumbers | null = null;
  /** what went wrong without ending anything; the report has its own */
  readonly warnings: string[] = [];
  readonly rejected = new RejectLog();

  readonly #begun = new Map<Phase, { planned: number; shards: Map<number, ShardResult> }>();
  readonly #underWay = new Set<Phase>();
  #shown: Phase[] = [];
  #policySeconds = 0;
  #reportedSeconds: number | null = null;
  #reportWarnings: readonly string[] = [];

  constructor(
    readonly roundId: string,
    readonly config: RoundConfig,
    readonly controls: Controls,
  ) {}

  /** A phase of trials begins; `skipped` of them are over the cap and recorded already. */
  beginTrials(phase: Phase, planned: number, skipped: number): void {
    const shards = new Map(skipped > 0 ? [[-1, { ...emptyTally, outcomes: { skipped } }]] : []);
    this.#begun.set(phase, { planned, shards });
    this.#underWay.add(phase);
    this.#shown = [...this.#underWay];
  }

  /** The last phase to end is shown on. */
  endTrials(phase: Phase): void {
    this.#underWay.delete(phase);
    if (this.#underWay.size > 0) this.#shown = [...this.#underWay];
  }

  /** What a shard has come to; false for one of no phase under way, and for an older report than the last. */
  heard({ phase, shard, soFar }: ShardProgress): boolean {
    const shards = this.#underWay.has(phase) ? this.#begun.get(phase)?.shards : undefined;
    const before = shards?.get(shard);
    const isNews = before === undefined || countOf(soFar.outcomes) >= countOf(before.outcomes);
    if (shards === undefined || !isNews) return false;
    shards.set(shard, soFar);
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

  /** The phases of trials under way, or the last one. */
  get trialPhases(): readonly Phase[] {
    return this.#shown;
  }

  /** Of those phases. */
  get current(): ShardResult {
    return this.#sum(this.#shown);
  }

  /** Of all phases so far. */
  get total(): ShardResult {
    return this.#sum([...this.#begun.keys()]);
  }

  #sum(phases: readonly Phase[]): ShardResult {
    return summed(phases.flatMap((phase) => [...(this.#begun.get(phase)?.shards.values() ?? [])]));
  }

  /** Of the candidate edits alone: a control is asked no canaries, and its reward lacks their penalty. */
  get bestReward(): number | null {
    return this.#sum(['edits']).bestReward;
  }

  /** What the `status` query answers. */
  get status(): RoundStatus {
    const { outcomes } = this.current;
    const planned = this.#shown.reduce((sum, phase) => sum + (this.#begun.get(phase)?.planned ?? 0), 0);
    return {
      roundId: this.roundId,
      phase: this.phase,
      paused: this.controls.paused && !this.controls.stopping,
      stopping: this.controls.stopping,
      model: this.model,
      trials: { planned, done: countOf(outcomes), outcomes },
      deviceSeconds: this.#reportedSeconds ?? this.total.deviceSeconds + this.#policySeconds,
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
