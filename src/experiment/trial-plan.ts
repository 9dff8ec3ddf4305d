import {
  bounds,
  canonicalDigest,
  emptyResult,
  roundNumberOf,
  shardIdOf,
  trialIdOf,
  type Purpose,
  type RoundConfig,
  type TrialSpec,
} from '../contract/index.js';
import { groupBy } from '../lib/group-by.js';
import type { PlannedTrial, Trial } from '../ledger/index.js';
import type { PlanInput, PurposeSpec, ReusedEdit, TrialArm } from './design.js';

/** A trial before it has a place in its purpose. */
export type Draft = Pick<TrialSpec, 'sourceId' | 'edit' | 'recipe' | 'learner' | 'repeat' | 'trainingSeed' | 'asks'>;

/** What a plan follows from, as the ledger has it. */
export interface PlanReader {
  sourceIds(role: 'train' | 'heldOut'): Promise<string[]>;
  trials(purpose: Purpose): Promise<Trial[]>;
  chosen(): Promise<ReadonlySet<string>>;
}

/** What came before a round: a numbered one its predecessors, however many; any other those that it names. */
export function beforeRound(roundId: string, { earlierRounds }: RoundConfig): number | string {
  const number = roundNumberOf(roundId);
  if (number !== null) return number - 1;
  return earlierRounds.length === 0 ? 0 : canonicalDigest(earlierRounds);
}

/**
 * Drafts the trials of a purpose. All first candidates come before all second ones, so that a cap, or a stop, leaves every
 * document some.
 */
export async function draftTrials(purpose: PurposeSpec, round: PlanInput, ledger: PlanReader): Promise<Draft[]> {
  const arms = purpose.arms.filter(({ runs }) => runs?.(round) ?? true);
  const ordered = await Promise.all(arms.map((arm) => draftArm(arm, round, ledger)));
  return ordered
    .flatMap((drafts, arm) => drafts.map((drafted) => ({ ...drafted, arm })))
    .sort((a, b) => a.candidate - b.candidate || a.place - b.place || a.arm - b.arm)
    .map(({ draft }) => draft);
}

interface Drafted {
  candidate: number;
  /** among the documents, or among the edits that are reused */
  place: number;
  draft: Draft;
}

async function draftArm(arm: TrialArm, round: PlanInput, ledger: PlanReader): Promise<Drafted[]> {
  const { config } = round;
  const { edit, learner, repeat } = arm;
  const training = (sourceId: string, candidate: number, reused: TrialSpec | null) => ({
    sourceId,
    recipe: arm.recipe ?? 'edit',
    learner,
    repeat,
    trainingSeed: arm.trainingSeed(config, { sourceId, candidate, reused }),
    asks: arm.asks(config),
  });
  if (edit.kind === 'reuse') {
    return (await reusedSpecs(edit, ledger)).map((reused, place) => ({
      candidate: 0,
      place,
      draft: { ...training(reused.sourceId, 0, reused), edit: { kind: 'reuse', trialId: reused.trialId } },
    }));
  }
  const sourceIds = await ledger.sourceIds(arm.documents);
  if (edit.kind !== 'propose') {
    return sourceIds.map((sourceId, place) => ({
      candidate: 0,
      place,
      draft: { ...training(sourceId, 0, null), edit },
    }));
  }
  return range(edit.candidates(config)).flatMap((candidate) =>
    sourceIds.map((sourceId, place) => ({
      candidate,
      place,
      draft: {
        ...training(sourceId, candidate, null),
        edit: {
          kind: 'propose',
          writer: edit.writer,
          template: templateOf(round, candidate),
          seed: edit.proposalSeed(round, sourceId, candidate),
        },
      },
    })),
  );
}

/** The trials whose edits are used again, in the order of their purpose. */
async function reusedSpecs({ of, which, writers }: ReusedEdit, ledger: PlanReader): Promise<TrialSpec[]> {
  const trials = await ledger.trials(of);
  const kept = which === 'chosen' ? await chosenAmong(trials, ledger) : scoredByAll(trials);
  return kept.filter(({ edit }) => edit.kind === 'propose' && writers.includes(edit.writer));
}

async function chosenAmong(trials: Trial[], ledger: PlanReader): Promise<TrialSpec[]> {
  const chosen = await ledger.chosen();
  return trials.map(({ spec }) => spec).filter(({ trialId }) => chosen.has(trialId));
}

/** Trials of the documents on which every trial was scored: no other document can be compared. */
function scoredByAll(trials: Trial[]): TrialSpec[] {
  const bySource = groupBy(trials, ({ spec }) => spec.sourceId);
  return [...bySource.values()]
    .filter((ofSource) => ofSource.every(({ result }) => result?.outcome === 'scored'))
    .flatMap((ofSource) => ofSource.map(({ spec }) => spec));
}

/** Gives drafts their ids and shards. Those from position `cap` on are recorded as skipped and run in no shard. */
export function place(roundId: string, purpose: Purpose, drafts: Draft[], cap = Infinity): PlannedTrial[] {
  return drafts.map((draft, index) => {
    const shard = Math.floor(index / bounds.trialsPerShard);
    const trialId = trialIdOf(shardIdOf(roundId, purpose, shard), index);
    const spec: TrialSpec = { version: 1, trialId, roundId, purpose, index, ...draft };
    return index < cap
      ? { spec, shard, result: null }
      : { spec, shard: null, result: emptyResult(trialId, 'skipped', `over caps.maxEditsPerRound (${cap})`) };
  });
}

const templateOf = ({ templates }: PlanInput, candidate: number): string => {
  const template = templates[candidate % templates.length];
  if (template === undefined) throw new RangeError('a round has a template');
  return template;
};

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
