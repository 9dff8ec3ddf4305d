import type { Evaluation, HeldOut, Scores } from '../contract/index.js';
import type { Source } from '../domains/domain.js';
import type { Trial } from '../ledger/index.js';
import { groupBy } from '../lib/group-by.js';
import { pooledScores } from '../seal/reward.js';
import type { Interval } from '../seal/statistics.js';
import { compare, meanBySource, meanOf, type BySource } from './by-source.js';
import type { Evidence } from './evidence.js';

export interface HeldOutNumbers {
  heldOut: HeldOut;
  /** before any training on a held-out document */
  baseline: { old: number | null; new: number | null };
  /** new learner on its own edit − old learner on its own */
  gain: Interval;
  /** documents that some cell lacks, with the outcomes that are not scores */
  missing: { sourceId: string; reasons: string[] }[];
}

type CellName = keyof HeldOut['cells'];

/** Writer × learner on held-out documents: those alone that every cell with any score has one for. */
export function heldOutNumbers({ trials, heldOut, heldOutBaseline, component }: Evidence): HeldOutNumbers {
  const examined = [...(trials['examine'] ?? []), ...(trials['cross'] ?? [])];
  const scores = new Map(
    [...groupBy(examined, cellOf(examined))]
      .map(([name, inCell]) => [name, meanBySource(inCell, component, allQuestions)] as const)
      .filter(([, matches]) => matches.size > 0),
  );
  const isShared = ({ sourceId }: Source): boolean =>
    scores.size > 0 && [...scores.values()].every((matches) => matches.has(sourceId));
  const shared = heldOut.filter(isShared);
  const ids = new Set(shared.map(({ sourceId }) => sourceId));
  const cell = (name: CellName): BySource => only(scores.get(name), ids);
  const means = {
    oldOld: meanOf(cell('oldOld')),
    oldNew: meanOf(cell('oldNew')),
    newOld: meanOf(cell('newOld')),
    newNew: meanOf(cell('newNew')),
  };
  const failures = groupBy(
    examined.filter(({ result }) => result?.outcome !== 'scored'),
    ({ spec }) => spec.sourceId,
  );
  return {
    heldOut: {
      before: means.oldOld,
      after: means.newNew,
      sources: shared.length,
      questions: shared.reduce((sum, { items }) => sum + items.length, 0),
      cells: means,
    },
    baseline: { old: meanOf(only(heldOutBaseline.old, ids)), new: meanOf(only(heldOutBaseline.new, ids)) },
    gain: compare(cell('newNew'), cell('oldOld')).gain,
    missing: heldOut
      .filter((source) => !isShared(source))
      .map(({ sourceId }) => ({ sourceId, reasons: (failures.get(sourceId) ?? []).map(failureText) })),
  };
}

/** Which cell a trial belongs to: a reused edit is its first trial's writer's. */
function cellOf(trials: Trial[]): (trial: Trial) => CellName {
  const writers = new Map(
    trials.flatMap(({ spec }) => (spec.edit.kind === 'propose' ? [[spec.trialId, spec.edit.writer]] : [])),
  );
  return ({ spec: { edit, trialId, learner } }) => {
    const writer = writers.get(edit.kind === 'reuse' ? edit.trialId : trialId);
    if (writer === undefined) throw new RangeError(`trial ${trialId} reuses no edit of this examination`);
    return `${writer}${learner === 'old' ? 'Old' : 'New'}`;
  };
}

/** Nothing was chosen on a held-out document, so both of its parts are reported. */
function allQuestions({ a, b }: Evaluation): Scores | null {
  if (a === null || b === null) return a ?? b;
  return pooledScores(a, b);
}

const failureText = ({ spec: { trialId }, result }: Trial): string =>
  result === null ? `${trialId}: not recorded` : `${trialId}: ${result.outcome}, ${result.reason}`;

const only = (values: BySource | undefined, ids: Set<string>): BySource =>
  new Map([...(values ?? [])].filter(([id]) => ids.has(id)));
