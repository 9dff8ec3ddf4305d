import { setCurrentDetails } from '@temporalio/workflow';
import type { ChildWorkflowHandle, Workflow } from '@temporalio/workflow';
import type { GateView, RoundConfig, RoundStatus, RunSettings, ShardResult } from '../../contract/index.js';
import { activitiesOf, type CallActivity } from '../runtime/call-activity.js';
import { whenNotPaused } from '../runtime/run-signals.js';
import { roundMarkdown } from './details.js';
import type { RoundState } from './state.js';
import { tag, type Tags } from '../runtime/search-attributes.js';

export type ChildHandle = ChildWorkflowHandle<Workflow>;

/** What the steps of a round share. */
export class RoundContext {
  readonly call: CallActivity;
  /** the number of this run of the round, once its id is claimed */
  run = 0;
  /** what each shard that has ended came to */
  readonly ended: ShardResult[] = [];
  /** shards in flight, which hear of pause, resume and stop */
  readonly shards = new Set<ChildHandle>();
  /** the id of the open gate's workflow, which decisions are forwarded to */
  openGateId: string | null = null;

  constructor(
    readonly state: RoundState,
    public settings: RunSettings,
  ) {
    this.call = activitiesOf(settings);
  }

  get roundId(): string {
    return this.state.roundId;
  }

  get config(): RoundConfig {
    return this.state.config;
  }

  /** What the `gates` query answers. A gate is not shown as open before its workflow can be told decisions. */
  get gates(): GateView[] {
    const { gate } = this.state;
    return gate === null || (gate.state === 'open' && this.openGateId === null) ? [] : [gate];
  }

  /** Moves to a stage, not while paused. */
  async enter(stage: RoundStatus['stage']): Promise<void> {
    await whenNotPaused(this.state.signals);
    this.at(stage);
  }

  /** Shows that the round is at a stage. */
  at(stage: RoundStatus['stage']): void {
    this.state.stage = stage;
    this.tag({ SealStage: stage });
    this.show();
  }

  tag(tags: Tags): void {
    tag(this.settings, tags);
  }

  /** Brings what the Web UI shows up to date. */
  show(): void {
    setCurrentDetails(roundMarkdown(this.state));
  }
}
