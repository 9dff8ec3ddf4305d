import {
  roundPhases,
  type ArtifactRef,
  type GateView,
  type ModelRef,
  type Phase,
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
  readonly rejected = new RejectLog();

  #trialPhase: Phase | null = null;
  #planned = 0;
  #shards = new Map<number, ShardResult>();
  #earlier: ShardResult = emptyTally;
  #policySeconds = 0;

  constructor(
    readonly roundId: string,
    readonly config: RoundConfig,
    readonly controls: Controls,
  ) {}

  /** A phase of trials begins; `skipped` of them are over the cap and recorded already. */
  beginTrials(phase: Phase, planned: number, skipped: number): void {
    this.#earlier = this.total;
    this.#trialPhase = phase;
    this.#planned = planned;
    this.#shards = new Map(skipped > 0 ? [[-1, { ...emptyTally, outcomes: { skipped } }]] : []);
  }

  /** What a shard has come to; false for one of no phase under way, and for an older report than the last. */
  heard({ phase, shard, soFar }: ShardProgress): boolean {
    const before = this.#shards.get(shard);
    const isNews = before === undefined || countOf(soFar.outcomes) >= countOf(before.outcomes);
    if (phase !== this.#trialPhase || !isNews) return false;
    this.#shards.set(shard, soFar);
    return true;
  }

  trainedPolicy(deviceSeconds: number): void {
    this.#policySeconds += deviceSeconds;
  }

  /** Of the phase of trials under way, or the last one. */
  get current(): ShardResult {
    return summed([...this.#shards.values()]);
  }

  /** Of all phases so far. */
  get total(): ShardResult {
    return summed([this.#earlier, this.current]);
  }

  get trialPhase(): Phase | null {
    return this.#trialPhase;
  }

  /** What the `status` query answers. */
  get status(): RoundStatus {
    const { outcomes } = this.current;
    return {
      roundId: this.roundId,
      phase: this.phase,
      paused: this.controls.paused && !this.controls.stopping,
      stopping: this.controls.stopping,
      model: this.model,
      trials: { planned: this.#planned, done: countOf(outcomes), outcomes },
      deviceSeconds: this.total.deviceSeconds + this.#policySeconds,
      caps: this.config.caps,
      selected: this.selected,
      bestReward: this.total.bestReward,
      gateId: this.gate?.spec.gateId ?? null,
      rejectedMessages: this.rejected.messages,
    };
  }
}
