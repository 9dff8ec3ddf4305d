import type { Arms, Evaluation, HeldOut, OutcomeCounts, Scores } from '../../../contract/index.js';
import type { Source } from '../../../domains/domain.js';
import type { Trial } from '../../../ledger/index.js';
import { groupBy } from '../../../seal/group-by.js';
import { mean, pairedBootstrap, type Interval } from '../../../seal/statistics.js';
import { otherSourceOf } from '../../questions.js';
import type { BySource, Evidence, ProbeAnswers } from './evidence.js';

/** An arm beside another on the documents that both have. */
export interface Comparison {
  arm: number | null;
  against: number | null;
  /** arm − against, with a bootstrap interval over documents */
  gain: Interval;
}

export interface ArmNumbers {
  arms: Arms;
  /** the first three against the base; the last: the chosen adapters against those of other documents */
  comparisons: Record<'rawPassage' | 'selfEditMean' | 'chosenOnB' | 'ownOverOther', Comparison>;
  /** how many documents each arm is the mean of: two arms of different documents do not compare */
  documents: Record<keyof Arms, number>;
}

const resamples = 2000;

/**
 * The arms on questions B. A document counts once in an arm, whatever the number of its questions and candidates; one
 * without a number is left out, never counted as 0.
 */
export function armNumbers({ trials, selection, train, base, inContext }: Evidence, seed: number): ArmNumbers {
  const chosenIds = new Set(selection?.chosen.map(({ trialId }) => trialId));
  const chosen =
    trials.confirm.length > 0 ? trials.confirm : trials.edits.filter(({ spec }) => chosenIds.has(spec.trialId));
  const of = {
    base,
    inContext,
    rawPassage: matchBySource(trials.controls, ({ b }) => b),
    selfEditMean: matchBySource(trials.edits, ({ b }) => b),
    chosenOnB: matchBySource(chosen, ({ b }) => b),
    otherSourceControl: byAskedSource(
      train,
      matchBySource(chosen, ({ otherSource }) => otherSource),
    ),
  } satisfies Record<keyof Arms, BySource>;
  const arms = {
    base: meanOf(of.base),
    inContext: meanOf(of.inContext),
    rawPassage: meanOf(of.rawPassage),
    selfEditMean: meanOf(of.selfEditMean),
    chosenOnB: meanOf(of.chosenOnB),
    otherSourceControl: meanOf(of.otherSourceControl),
  };
  const documents = {
    base: of.base.size,
    inContext: of.inContext.size,
    rawPassage: of.rawPassage.size,
    selfEditMean: of.selfEditMean.size,
    chosenOnB: of.chosenOnB.size,
    otherSourceControl: of.otherSourceControl.size,
  };
  const comparisons = {
    rawPassage: compare(of.rawPassage, base, seed),
    selfEditMean: compare(of.selfEditMean, base, seed),
    chosenOnB: compare(of.chosenOnB, base, seed),
    // the same questions, asked of the adapter that learnt their document and of one that did not
    ownOverOther: compare(of.chosenOnB, of.otherSourceControl, seed),
  };
  return { arms, comparisons, documents };
}

export interface HeldOutNumbers {
  heldOut: HeldOut;
  /** before any training on a held-out document */
  baseline: { old: number | null; new: number | null };
  /** new learner on its own edit − old learner on its own */
  gain: Interval;
  /** documents that some cell lacks, with the outcomes that are not scores */
  missing: { sourceId: string; reasons: string[] }[];
}

const cellNames = ['oldOld', 'oldNew', 'newOld', 'newNew'] as const;
type CellName = (typeof cellNames)[number];

/** Writer × learner on held-out documents: those alone that every cell which was run has a score for. */
export function heldOutNumbers({ trials, heldOut, heldOutBaseline }: Evidence, seed: number): HeldOutNumbers {
  const cells = cellTrials([...trials.examine, ...trials.cross]);
  const scores = new Map<CellName, BySource>();
  for (const name of cellNames) {
    const inCell = cells.get(name) ?? [];
    if (inCell.length > 0) scores.set(name, matchBySource(inCell, allQuestions));
  }
  const shared = heldOut
    .map(({ sourceId }) => sourceId)
    .filter((id) => scores.size > 0 && [...scores.values()].every((cell) => cell.has(id)));
  const cellMean = (name: CellName): number | null => meanOf(only(scores.get(name), shared));
  const examined = [...trials.examine, ...trials.cross];
  return {
    heldOut: {
      before: cellMean('oldOld'),
      after: cellMean('newNew'),
      sources: shared.length,
      questions: heldOut
        .filter(({ sourceId }) => shared.includes(sourceId))
        .reduce((sum, { items }) => sum + items.length, 0),
      cells: {
        oldOld: cellMean('oldOld'),
        oldNew: cellMean('oldNew'),
        newOld: cellMean('newOld'),
        newNew: cellMean('newNew'),
      },
    },
    baseline: {
      old: meanOf(only(heldOutBaseline.old, shared)),
      new: meanOf(only(heldOutBaseline.new, shared)),
    },
    gain: compare(only(scores.get('newNew'), shared), only(scores.get('oldOld'), shared), seed).gain,
    missing: heldOut
      .filter(({ sourceId }) => !shared.includes(sourceId))
      .map(({ sourceId }) => ({ sourceId, reasons: failuresOf(examined, sourceId) })),
  };
}

export interface ProbeNumbers {
  asked: number;
  rightBefore: number;
  /** null: there is no new policy, or it was not asked */
  rightAfter: number | null;
  /** right before and wrong after */
  lost: number | null;
}

/** Old against new policy on questions of no document; those that only one of them was asked are left out. */
export function probeNumbers(answers: ProbeAnswers[]): ProbeNumbers {
  const before = answers.filter(({ old }) => old !== null);
  const both = before.filter((answer) => answer.new !== null);
  if (both.length === 0) {
    return { asked: before.length, rightBefore: countRight(before, 'old'), rightAfter: null, lost: null };
  }
  return {
    asked: both.length,
    rightBefore: countRight(both, 'old'),
    rightAfter: countRight(both, 'new'),
    lost: both.filter((answer) => answer.old === true && answer.new === false).length,
  };
}

/** Recorded outcomes; trials without one (a round that was cancelled) are not counted. */
export function outcomeCounts(trials: Trial[]): OutcomeCounts {
  const counts: OutcomeCounts = {};
  for (const { result } of trials) {
    if (result !== null) counts[result.outcome] = (counts[result.outcome] ?? 0) + 1;
  }
  return counts;
}

/** Seconds of the device; a training that several trials share (the same key) was done once. */
export function deviceSecondsOf(trials: Trial[]): number {
  const byKey = new Map<string, number>();
  for (const { spec, result } of trials) {
    if (result === null) continue;
    const key = result.trainingKey ?? spec.trialId;
    byKey.set(key, Math.max(byKey.get(key) ?? 0, result.deviceSeconds));
  }
  return [...byKey.values()].reduce((sum, seconds) => sum + seconds, 0);
}

function cellTrials(trials: Trial[]): Map<CellName, Trial[]> {
  const writers = new Map(
    trials.flatMap(({ spec }) => (spec.edit.kind === 'propose' ? [[spec.trialId, spec.edit.writer]] : [])),
  );
  const cells = new Map<CellName, Trial[]>();
  for (const trial of trials) {
    const { edit, trialId, learner } = trial.spec;
    const writer = writers.get(edit.kind === 'reuse' ? edit.trialId : trialId);
    if (writer === undefined) continue;
    const name: CellName =
      writer === 'old' ? (learner === 'old' ? 'oldOld' : 'oldNew') : learner === 'old' ? 'newOld' : 'newNew';
    cells.set(name, [...(cells.get(name) ?? []), trial]);
  }
  return cells;
}

/** The mean match of each document over its scored trials. */
function matchBySource(trials: Trial[], scoresOf: (evaluation: Evaluation) => Scores | null): BySource {
  const means: BySource = new Map();
  for (const [sourceId, ofSource] of groupBy(trials, ({ spec }) => spec.sourceId)) {
    const matches = ofSource.flatMap(({ result }) => {
      if (result?.outcome !== 'scored' || result.evaluation === null) return [];
      const scores = scoresOf(result.evaluation);
      return scores === null || scores.questions === 0 ? [] : [scores.match];
    });
    const value = mean(matches);
    if (value !== null) means.set(sourceId, value);
  }
  return means;
}

/** An adapter's answers on another document's questions belong to that document. */
function byAskedSource(train: Source[], byAdapter: BySource): BySource {
  return new Map(
    [...byAdapter].flatMap(([sourceId, match]) => {
      const asked = otherSourceOf(train, sourceId);
      return asked === null ? [] : [[asked.sourceId, match]];
    }),
  );
}

/** Nothing was chosen on a held-out document, so both of its parts are reported. */
function allQuestions({ a, b }: Evaluation): Scores | null {
  if (a === null || b === null) return a ?? b;
  const questions = a.questions + b.questions;
  if (questions === 0) return null;
  return { ...b, questions, match: (a.match * a.questions + b.match * b.questions) / questions };
}

function compare(arm: BySource, against: BySource, seed: number): Comparison {
  const pairs = [...arm].flatMap(([cluster, a]) => {
    const b = against.get(cluster);
    return b === undefined ? [] : [{ cluster, a, b }];
  });
  return {
    arm: mean(pairs.map(({ a }) => a)),
    against: mean(pairs.map(({ b }) => b)),
    gain: pairedBootstrap(pairs, { seed, resamples }),
  };
}

function failuresOf(trials: Trial[], sourceId: string): string[] {
  return trials
    .filter(({ spec, result }) => spec.sourceId === sourceId && result?.outcome !== 'scored')
    .map(
      ({ spec, result }) =>
        `${spec.trialId}: ${result === null ? 'not recorded' : `${result.outcome}, ${result.reason}`}`,
    );
}

const only = (values: BySource | undefined, ids: string[]): BySource =>
  new Map([...(values ?? [])].filter(([id]) => ids.includes(id)));
const meanOf = (values: BySource): number | null => mean([...values.values()]);
const countRight = (answers: ProbeAnswers[], policy: 'old' | 'new'): number =>
  answers.filter((answer) => answer[policy] === true).length;
