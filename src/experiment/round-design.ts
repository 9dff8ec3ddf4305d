import type { Asks, RoundConfig, TrialSpec } from '../contract/index.js';
import type { Trial } from '../ledger/index.js';
import { deriveSeed } from '../seal/keys.js';
import type { Design, MergedEdits, PlanInput, RecordedTrials, RuleRows, TrialArm } from './design.js';

/**
 * Seeds never depend on a round's id: the same work has the same seed, so that it is found in the caches, and old and new
 * policy are compared under the same ones. Only candidates depend on what came before, or a round whose policy was not
 * released would be followed by the very same candidates.
 */
const seeds = {
  candidate: ({ config, before }: PlanInput, sourceId: string, candidate: number) =>
    deriveSeed(config.seed, 'proposal', sourceId, candidate, 'after', before),
  heldOut: ({ config }: PlanInput, sourceId: string) => deriveSeed(config.seed, 'proposal', sourceId, 'heldOut'),
  training: ({ seed }: RoundConfig, sourceId: string, edit: string | number, repeat = 0) =>
    deriveSeed(seed, 'training', sourceId, edit, repeat),
};

const asks = (given: Partial<Asks>): Asks => ({
  mode: 'closedBook',
  splits: ['A', 'B'],
  otherSource: false,
  canaries: false,
  ...given,
});

const heldOutArm = (policy: 'old' | 'new') => ({
  documents: 'heldOut' as const,
  edit: { kind: 'propose' as const, writer: policy, candidates: () => 1, proposalSeed: seeds.heldOut },
  learner: policy,
  repeat: 0,
  trainingSeed: (config: RoundConfig, { sourceId }: { sourceId: string }) =>
    seeds.training(config, sourceId, 'heldOut'),
  asks: () => asks({}),
  runs: ({ hasNew }: PlanInput) => policy === 'old' || hasNew,
});

/** Each held-out edit on the other learner, which tells writing better edits from learning better. */
const crossArm = (writer: 'old' | 'new') => ({
  documents: 'heldOut' as const,
  edit: { kind: 'reuse' as const, of: 'examine', which: 'scoredByAll' as const, writers: [writer] },
  learner: writer === 'old' ? ('new' as const) : ('old' as const),
  repeat: 0,
  trainingSeed: reusedSeed,
  asks: () => asks({}),
  runs: ({ hasNew }: PlanInput) => hasNew,
});

/** Trained on all that there is for a document, not on one edit. */
function documentArm(edit: MergedEdits | RuleRows, control: 'merged' | 'rules'): TrialArm {
  return {
    documents: 'train',
    edit,
    recipe: 'document',
    learner: 'old',
    repeat: 0,
    trainingSeed: (config, { sourceId }) => seeds.training(config, sourceId, edit.kind),
    asks: () => asks({ splits: ['B'], canaries: true }),
    runs: ({ config }) => config.controls[control],
  };
}

function reusedSeed(_: RoundConfig, { reused }: { reused: { trainingSeed: number } | null }): number {
  if (reused === null) throw new RangeError('only a reused edit has a seed to reuse');
  return reused.trainingSeed;
}

/** One outer-loop round: candidates, the raw passage, the chosen edits again, and both policies on held-out documents. */
export const roundDesign: Design = {
  candidates: 'edits',
  purposes: [
    {
      name: 'edits',
      stage: 'trials',
      cap: ({ caps }) => caps.maxEditsPerRound,
      settledBy: 'selection',
      arms: [
        {
          documents: 'train',
          edit: {
            kind: 'propose',
            writer: 'old',
            candidates: ({ editsPerSource }) => editsPerSource,
            proposalSeed: seeds.candidate,
          },
          learner: 'old',
          repeat: 0,
          trainingSeed: (config, { sourceId, candidate }) => seeds.training(config, sourceId, candidate),
          asks: () => asks({ canaries: true }),
        },
      ],
    },
    {
      name: 'controls',
      stage: 'examining',
      arms: [
        {
          documents: 'train',
          edit: { kind: 'passage', matchedTo: 'edits' },
          learner: 'old',
          repeat: 0,
          trainingSeed: (config, { sourceId }) => seeds.training(config, sourceId, 'passage'),
          asks: () => asks({}),
          runs: ({ config }) => config.controls.rawPassage,
        },
        documentArm({ kind: 'merged', of: 'edits' }, 'merged'),
        documentArm({ kind: 'rules' }, 'rules'),
      ],
    },
    {
      // The chosen edits again: with fresh seeds, because the seeds that won were chosen with them; or, where only another
      // document's questions are wanted, with the same seed, which finds the adapter that is there.
      name: 'confirm',
      arms: [
        {
          documents: 'train',
          edit: { kind: 'reuse', of: 'edits', which: 'chosen', writers: ['old', 'new'] },
          learner: 'old',
          repeat: 1,
          trainingSeed: (config, training) =>
            config.controls.freshSeeds
              ? seeds.training(config, training.sourceId, 'confirm', 1)
              : reusedSeed(config, training),
          asks: ({ controls }) => asks({ splits: ['B'], otherSource: controls.otherSource, canaries: true }),
          runs: ({ config: { controls } }) => controls.freshSeeds || controls.otherSource,
        },
      ],
    },
    // one edit for each held-out document by each policy, which learns from what it wrote, both under the same seeds
    { name: 'examine', stage: 'examining', settledBy: 'cross', arms: [heldOutArm('old'), heldOutArm('new')] },
    { name: 'cross', stage: 'examining', arms: [crossArm('old'), crossArm('new')] },
  ],
  arms: [
    { id: 'base', label: 'base, closed book', measured: { by: 'old', asked: 'closedBook' } },
    { id: 'inContext', label: 'base, document in the prompt', measured: { by: 'old', asked: 'inContext' } },
    {
      id: 'rawPassage',
      label: 'trained on the raw passage',
      measured: { trials: controlsOf('passage'), questions: 'b' },
    },
    { id: 'rules', label: 'trained on rows made by rule', measured: { trials: controlsOf('rules'), questions: 'b' } },
    {
      id: 'selfEditMean',
      label: 'trained on a self-edit, mean of all',
      measured: { trials: ({ trials }) => trials['edits'] ?? [], questions: 'b' },
    },
    {
      id: 'merged',
      label: 'trained on all self-edits, merged',
      measured: { trials: controlsOf('merged'), questions: 'b' },
    },
    { id: 'chosenOnB', label: 'trained on the chosen self-edit', measured: { trials: chosen, questions: 'b' } },
    {
      id: 'otherSourceControl',
      label: "chosen adapters, another document's questions",
      measured: { trials: chosen, questions: 'otherSource' },
    },
  ],
  contrasts: [
    { id: 'rawPassage', arm: 'rawPassage', against: 'base', label: 'over base', shownAt: 'rawPassage' },
    { id: 'rules', arm: 'rules', against: 'base', label: 'over base', shownAt: 'rules' },
    { id: 'selfEditMean', arm: 'selfEditMean', against: 'base', label: 'over base', shownAt: 'selfEditMean' },
    { id: 'merged', arm: 'merged', against: 'base', label: 'over base', shownAt: 'merged' },
    // whether the model's writing adds anything to what rules make of the document
    { id: 'mergedOverRules', arm: 'merged', against: 'rules', label: 'over rules', shownAt: 'merged' },
    { id: 'chosenOnB', arm: 'chosenOnB', against: 'base', label: 'over base', shownAt: 'chosenOnB' },
    // the same questions, asked of the adapter that learnt their document and of one that did not
    {
      id: 'ownOverOther',
      arm: 'chosenOnB',
      against: 'otherSourceControl',
      label: 'own over other',
      shownAt: 'otherSourceControl',
    },
  ],
};

/** The chosen edits' trials: those under fresh seeds where they were run. */
function chosen({ trials, selection }: RecordedTrials): Trial[] {
  const confirmed = trials['confirm'] ?? [];
  if (confirmed.length > 0) return confirmed;
  const ids = new Set(selection?.chosen.map(({ trialId }) => trialId));
  return (trials['edits'] ?? []).filter(({ spec }) => ids.has(spec.trialId));
}

/** The control trials of one kind of edit. */
function controlsOf(kind: TrialSpec['edit']['kind']): (recorded: RecordedTrials) => Trial[] {
  return ({ trials }) => (trials['controls'] ?? []).filter(({ spec }) => spec.edit.kind === kind);
}
