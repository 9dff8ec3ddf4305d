import type { Source } from '../domains/domain.js';
import { compare, meanBySource, meanOf, type BySource, type Comparison } from './by-source.js';
import { canariesLostBy } from './counts.js';
import type { Contrast, ReportArm } from './design.js';
import type { Evidence } from './evidence.js';

export interface ArmNumber {
  id: string;
  label: string;
  mean: number | null;
  /** how many documents it is the mean of: two arms of different documents do not compare */
  documents: number;
  /** of those that the learners knew: how many the adapters still answer right; null where none was asked */
  canaries: { asked: number; kept: number } | null;
}

export interface ContrastNumber extends Omit<Contrast, 'arm' | 'against'>, Comparison {}

export interface ArmNumbers {
  arms: ArmNumber[];
  contrasts: ContrastNumber[];
}

/**
 * The design's arms and contrasts on questions B. A document counts once in an arm, whatever the number of its questions and
 * candidates; one without a number is left out, never counted as 0.
 */
export function armNumbers(evidence: Evidence): ArmNumbers {
  const { design } = evidence;
  const values = new Map(design.arms.map((arm) => [arm.id, measure(arm, evidence)]));
  const of = (id: string): BySource => values.get(id) ?? new Map<string, number>();
  return {
    arms: design.arms.map((arm) => ({
      id: arm.id,
      label: arm.label,
      mean: meanOf(of(arm.id)),
      documents: of(arm.id).size,
      canaries: canariesKept(arm, evidence),
    })),
    contrasts: design.contrasts.map(({ arm, against, ...contrast }) => ({
      ...contrast,
      ...compare(of(arm), of(against)),
    })),
  };
}

function measure({ id, measured }: ReportArm, evidence: Evidence): BySource {
  if (!('trials' in measured)) return evidence.before.get(id) ?? new Map<string, number>();
  const { questions } = measured;
  const byAdapter = meanBySource(measured.trials(evidence), evidence.component, (evaluation) => evaluation[questions]);
  return questions === 'otherSource' ? byAskedSource(evidence.train, byAdapter) : byAdapter;
}

function canariesKept({ measured }: ReportArm, evidence: Evidence): ArmNumber['canaries'] {
  if (!('trials' in measured)) return null;
  const { asked, lost } = canariesLostBy(measured.trials(evidence));
  return asked === 0 ? null : { asked, kept: asked - lost };
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
