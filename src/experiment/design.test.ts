import { describe, expect, it } from 'vitest';
import { emptyResult, roundConfigSchema, type Evaluation, type TrialSpec } from '../contract/index.js';
import type { Trial } from '../ledger/index.js';
import { armNumbers } from './arms.js';
import type { Design } from './design.js';
import type { Evidence } from './evidence.js';
import { roundDesign } from './round-design.js';
import { draftTrials, place } from './trial-plan.js';

/** Shares nothing with a round's: the new policy learns from the old one's edits, and is asked with the document before it. */
const otherDesign: Design = {
  candidates: 'taught',
  purposes: [
    {
      name: 'taught',
      arms: [
        {
          documents: 'heldOut',
          edit: { kind: 'propose', writer: 'old', candidates: () => 1, proposalSeed: () => 3 },
          learner: 'new',
          repeat: 0,
          trainingSeed: () => 5,
          asks: () => ({ mode: 'inContext', splits: ['B'], otherSource: false, canaries: false }),
        },
        {
          documents: 'heldOut',
          edit: { kind: 'passage', matchedTo: null },
          learner: 'new',
          repeat: 0,
          trainingSeed: () => 6,
          asks: () => ({ mode: 'inContext', splits: ['B'], otherSource: false, canaries: false }),
        },
      ],
    },
  ],
  arms: [
    { id: 'read', label: 'new policy, document in the prompt', measured: { by: 'new', asked: 'inContext' } },
    { id: 'taught', label: 'taught', measured: { trials: ({ trials }) => trials['taught'] ?? [], questions: 'b' } },
  ],
  contrasts: [{ id: 'taughtOverRead', arm: 'taught', against: 'read', label: 'over reading', shownAt: 'taught' }],
};

const config = roundConfigSchema.parse({ editsPerSource: 2 });
const round = { config, templates: ['self-qa'], hasNew: true, before: 0 };
const reader = (trials: Partial<Record<string, Trial[]>> = {}) => ({
  sourceIds: (role: 'train' | 'heldOut') => Promise.resolve(role === 'train' ? ['t1', 't2'] : ['h1', 'h2']),
  trials: (purpose: string) => Promise.resolve(trials[purpose] ?? []),
  chosen: () => Promise.resolve(new Set(['r.edits.s00.e0001'])),
});

const plan = async (design: Design, purpose: string, trials: Partial<Record<string, Trial[]>> = {}) => {
  const spec = design.purposes.find(({ name }) => name === purpose);
  if (spec === undefined) throw new Error(`no purpose ${purpose}`);
  return place('r', purpose, await draftTrials(spec, round, reader(trials)), spec.cap?.(config)).map(
    (planned) => planned.spec,
  );
};

const scored = (spec: TrialSpec, b: number | null): Trial => ({
  spec,
  proposalKey: null,
  training: null,
  screen: null,
  result: { ...emptyResult(spec.trialId, 'scored', ''), evaluation: b === null ? null : evaluationOf(b) },
});

const evaluationOf = (b: number): Evaluation => ({
  a: null,
  b: { questions: 2, means: { match: b } },
  otherSource: null,
  canaries: null,
  reward: null,
});

describe("a round's design", () => {
  it('plans all first candidates before all second ones', async () => {
    const edits = await plan(roundDesign, 'edits');
    expect(edits.map(({ sourceId }) => sourceId)).toEqual(['t1', 't2', 't1', 't2']);
    expect(new Set(edits.map(({ trainingSeed }) => trainingSeed)).size).toBe(4);
    expect(edits.map(({ asks }) => asks.canaries)).toEqual([true, true, true, true]);
  });

  it('trains the chosen edits again with fresh seeds, and asks them no questions A', async () => {
    const edits = await plan(roundDesign, 'edits');
    const confirmed = await plan(roundDesign, 'confirm', { edits: edits.map((spec) => scored(spec, 0.5)) });
    expect(confirmed).toMatchObject([{ sourceId: 't2', edit: { trialId: 'r.edits.s00.e0001' }, repeat: 1 }]);
    expect(confirmed[0]?.asks).toMatchObject({ splits: ['B'], otherSource: true });
    expect(confirmed[0]?.trainingSeed).not.toBe(edits[1]?.trainingSeed);
  });

  it('crosses only documents on which both policies were scored, each edit on the other learner', async () => {
    const examined = await plan(roundDesign, 'examine');
    expect(examined.map(({ sourceId, learner }) => [sourceId, learner])).toEqual([
      ['h1', 'old'],
      ['h1', 'new'],
      ['h2', 'old'],
      ['h2', 'new'],
    ]);
    const recorded = examined.map((spec, i): Trial =>
      i === 3 ? { ...scored(spec, null), result: emptyResult(spec.trialId, 'invalid_edit', '') } : scored(spec, 0.5),
    );
    const crossed = await plan(roundDesign, 'cross', { examine: recorded });
    expect(crossed.map(({ edit, learner }) => [edit.kind === 'reuse' && edit.trialId, learner])).toEqual([
      [examined[0]?.trialId, 'new'],
      [examined[1]?.trialId, 'old'],
    ]);
  });
});

describe('place', () => {
  it('puts 200 trials in a shard, whose ids go on counting', async () => {
    const many = { ...reader(), sourceIds: () => Promise.resolve(Array.from({ length: 225 }, (_, i) => `s${i}`)) };
    const [edits] = roundDesign.purposes;
    if (edits === undefined) throw new Error('a round has purposes');
    const planned = place('r', 'edits', await draftTrials(edits, round, many));
    const shards = [0, 1, 2].map((shard) => planned.filter((trial) => trial.shard === shard).length);
    expect(shards).toEqual([200, 200, 50]);
    expect(planned.at(-1)?.spec.trialId).toBe('r.edits.s02.e0449');
  });
});

describe('another design', () => {
  it('is planned by the same code', async () => {
    const taught = await plan(otherDesign, 'taught');
    expect(
      taught.map(({ sourceId, edit, learner, trainingSeed }) => [sourceId, edit.kind, learner, trainingSeed]),
    ).toEqual([
      ['h1', 'propose', 'new', 5],
      ['h1', 'passage', 'new', 6],
      ['h2', 'propose', 'new', 5],
      ['h2', 'passage', 'new', 6],
    ]);
    expect(taught[0]?.asks.mode).toBe('inContext');
  });

  it('is reported by the same code', async () => {
    const specs = await plan(otherDesign, 'taught');
    const evidence = {
      design: otherDesign,
      component: 'match',
      trials: { taught: specs.map((spec) => scored(spec, spec.sourceId === 'h1' ? 1 : 0.5)) },
      before: new Map([['read', new Map([['h1', 0.5]])]]),
      train: [],
    } as Partial<Evidence> as Evidence;
    const { arms, contrasts } = armNumbers(evidence);
    expect(arms).toEqual([
      { id: 'read', label: 'new policy, document in the prompt', mean: 0.5, documents: 1, canaries: null },
      { id: 'taught', label: 'taught', mean: 0.75, documents: 2, canaries: null },
    ]);
    expect(contrasts).toMatchObject([{ id: 'taughtOverRead', arm: 1, against: 0.5, gain: { estimate: 0.5 } }]);
  });
});
