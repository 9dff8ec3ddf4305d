import type { Arms } from '../contract/index.js';
import type { Source } from '../domains/domain.js';
import { compare, meanBySource, meanOf, type BySource, type Comparison } from './by-source.js';
import type { Evidence } from './evidence.js';

export interface ArmNumbers {
  arms: Arms;
  /** the first three against the base; the last: the chosen adapters against those of other documents */
  comparisons: Record<'rawPassage' | 'selfEditMean' | 'chosenOnB' | 'ownOverOther', Comparison>;
  /** how many documents each arm is the mean of: two arms of different documents do not compare */
  documents: Record<keyof Arms, number>;
}

/**
 * The arms on questions B. A document counts once in an arm, whatever the number of its questions and candidates; one
 * without a number is left out, never counted as 0.
 */
export function armNumbers({ trials, selection, train, base, inContext, component }: Evidence): ArmNumbers {
  const chosenIds = new Set(selection?.chosen.map(({ trialId }) => trialId));
  const chosen =
    trials.confirm.length > 0 ? trials.confirm : trials.edits.filter(({ spec }) => chosenIds.has(spec.trialId));
  const of = {
    base,
    inContext,
    rawPassage: meanBySource(trials.controls, component, ({ b }) => b),
    selfEditMean: meanBySource(trials.edits, component, ({ b }) => b),
    chosenOnB: meanBySource(chosen, component, ({ b }) => b),
    otherSourceControl: byAskedSource(
      train,
      meanBySource(chosen, component, ({ otherSource }) => otherSource),
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
    rawPassage: compare(of.rawPassage, base),
    selfEditMean: compare(of.selfEditMean, base),
    chosenOnB: compare(of.chosenOnB, base),
    // the same questions, asked of the adapter that learnt their document and of one that did not
    ownOverOther: compare(of.chosenOnB, of.otherSourceControl),
  };
  return { arms, comparisons, documents };
}

/** An adapter's answers on another document's questions belong to that document: the next one, as the ledger has it. */
function byAskedSource(train: Source[], byAdapter: BySource): BySource {
  const asked = new Map(train.map(({ sourceId }, at) => [sourceId, train[(at + 1) % train.length]?.sourceId]));
  return new Map(
    [...byAdapter].flatMap(([sourceId, score]) => {
      const next = asked.get(sourceId);
      return next === undefined ? [] : [[next, score]];
    }),
  );
}
