import {
  canonicalDigest,
  roundNumberOf,
  shardIdOf,
  trialIdOf,
  bounds,
  emptyResult,
  type Purpose,
  type RoundConfig,
  type TemplateId,
  type TrialSpec,
} from '../contract/index.js';
import type { PlannedTrial } from '../ledger/index.js';
import { deriveSeed } from '../seal/keys.js';

/** A trial before it has a place in its purpose. */
export type Draft = Pick<TrialSpec, 'sourceId' | 'edit' | 'learner' | 'repeat' | 'trainingSeed'>;

/**
 * Seeds never depend on a round's id: the same work has the same seed, so that it is found in the caches, and old and new
 * policy are compared under the same ones. Only candidates depend on what came before, or a round whose policy was not
 * released would be followed by the very same candidates.
 */
const seeds = {
  candidate: ({ seed }: RoundConfig, sourceId: string, candidate: number, before: number | string) =>
    deriveSeed(seed, 'proposal', sourceId, candidate, 'after', before),
  heldOut: ({ seed }: RoundConfig, sourceId: string) => deriveSeed(seed, 'proposal', sourceId, 'heldOut'),
  training: ({ seed }: RoundConfig, sourceId: string, edit: string | number, repeat: number) =>
    deriveSeed(seed, 'training', sourceId, edit, repeat),
};

/** What came before a round: a numbered one its predecessors, however many; any other those that it names. */
export function beforeRound(roundId: string, { earlierRounds }: RoundConfig): number | string {
  const number = roundNumberOf(roundId);
  if (number !== null) return number - 1;
  return earlierRounds.length === 0 ? 0 : canonicalDigest(earlierRounds);
}

/**
 * `editsPerSource` candidates for each document. All first candidates come before all second ones, so that a cap, or a
 * stop, leaves every document some.
 */
export function draftEdits(config: RoundConfig, sourceIds: string[], before: number | string = 0): Draft[] {
  return range(config.editsPerSource).flatMap((candidate) =>
    sourceIds.map((sourceId) => ({
      sourceId,
      edit: {
        kind: 'propose' as const,
        writer: 'old' as const,
        template: templateOf(config, candidate),
        seed: seeds.candidate(config, sourceId, candidate, before),
      },
      learner: 'old' as const,
      repeat: 0,
      trainingSeed: seeds.training(config, sourceId, candidate, 0),
    })),
  );
}

/** The raw passage of each document. */
export function draftControls(config: RoundConfig, sourceIds: string[]): Draft[] {
  return config.controls.rawPassage
    ? sourceIds.map((sourceId) => ({
        sourceId,
        edit: { kind: 'passage' as const },
        learner: 'old' as const,
        repeat: 0,
        trainingSeed: seeds.training(config, sourceId, 'passage', 0),
      }))
    : [];
}

/**
 * The chosen edits once more: with fresh seeds, because the seeds that won were chosen with them; and where only the other
 * source's questions are wanted, with the same seed, which finds the adapter that is there.
 */
export function draftConfirm(config: RoundConfig, chosen: TrialSpec[]): Draft[] {
  const { freshSeeds, otherSource } = config.controls;
  if (!freshSeeds && !otherSource) return [];
  return chosen.map(({ trialId, sourceId, learner, trainingSeed }) => ({
    sourceId,
    edit: { kind: 'reuse' as const, trialId },
    learner,
    repeat: 1,
    trainingSeed: freshSeeds ? seeds.training(config, sourceId, 'confirm', 1) : trainingSeed,
  }));
}

/** One edit for each held-out document by each policy, which learns from what it wrote. Both under the same seeds. */
export function draftExamine(config: RoundConfig, sourceIds: string[], hasNew: boolean): Draft[] {
  const policies = hasNew ? (['old', 'new'] as const) : (['old'] as const);
  return sourceIds.flatMap((sourceId) =>
    policies.map((policy) => ({
      sourceId,
      edit: {
        kind: 'propose' as const,
        writer: policy,
        template: templateOf(config, 0),
        seed: seeds.heldOut(config, sourceId),
      },
      learner: policy,
      repeat: 0,
      trainingSeed: seeds.training(config, sourceId, 'heldOut', 0),
    })),
  );
}

/** Each held-out edit on the other learner, which tells writing better edits from learning better. */
export function draftCross(examined: TrialSpec[]): Draft[] {
  return examined.map(({ trialId, sourceId, learner, trainingSeed }) => ({
    sourceId,
    edit: { kind: 'reuse' as const, trialId },
    learner: learner === 'old' ? 'new' : 'old',
    repeat: 0,
    trainingSeed,
  }));
}

/** Gives drafts their ids and shards. Those from position `cap` on are recorded as skipped and run in no shard. */
export function place(roundId: string, purpose: Purpose, drafts: Draft[], cap = Infinity): PlannedTrial[] {
  return drafts.map((draft, index) => {
    const shard = Math.floor(index / bounds.trialsPerShard);
    const trialId = trialIdOf(shardIdOf(roundId, purpose, shard), index);
    const spec: TrialSpec = { trialId, roundId, purpose, index, ...draft };
    return index < cap
      ? { spec, shard, result: null }
      : { spec, shard: null, result: emptyResult(trialId, 'skipped', `over caps.maxEditsPerRound (${cap})`) };
  });
}

const templateOf = (config: RoundConfig, candidate: number): TemplateId => {
  const template = config.templates[candidate % config.templates.length];
  if (template === undefined) throw new RangeError('a round has a template');
  return template;
};

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
