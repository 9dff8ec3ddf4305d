import type { Asks, PolicyVersion, Purpose, RoundConfig, RoundStage, TrialSpec } from '../contract/index.js';
import type { Arm } from '../domains/domain.js';
import type { Trial } from '../ledger/index.js';
import type { Selection } from '../seal/records.js';

/**
 * An experiment as data: what is trained, and what its report compares. Planner, evaluation, report and tables iterate over
 * these lists. A round is one design ({@link ./round-design.ts}); a study is another.
 */
export interface Design {
  purposes: readonly PurposeSpec[];
  /** the purpose whose trials the selection chooses among */
  candidates: Purpose;
  arms: readonly ReportArm[];
  contrasts: readonly Contrast[];
}

/** Trials that are planned together and run in the same shards. */
export interface PurposeSpec {
  name: Purpose;
  /** where a round is when it plans these trials; absent: they run next to those of another stage */
  stage?: RoundStage;
  arms: readonly TrialArm[];
  /** trials beyond it are recorded as skipped */
  cap?: (config: RoundConfig) => number;
  /** what is built on the outcomes of this purpose: `selection`, or a later purpose; once it is there, none is opened again */
  settledBy?: Purpose;
}

/** What a training is made from, and what its adapter is asked. */
export interface TrialArm {
  documents: 'train' | 'heldOut';
  edit: ProposedEdit | PassageEdit | MergedEdits | RuleRows | ReusedEdit;
  recipe?: TrialSpec['recipe'];
  learner: PolicyVersion;
  repeat: number;
  trainingSeed: (config: RoundConfig, training: PlannedTraining) => number;
  asks: (config: RoundConfig) => Asks;
  /** false: the round has no such trials */
  runs?: (round: PlanInput) => boolean;
}

export interface ProposedEdit {
  kind: 'propose';
  writer: PolicyVersion;
  /** edits per document */
  candidates: (config: RoundConfig) => number;
  proposalSeed: (round: PlanInput, sourceId: string, candidate: number) => number;
}

export interface PassageEdit {
  kind: 'passage';
  /** trained on as many tokens as that purpose's edits of the document have */
  matchedTo: Purpose | null;
}

/** All edits of a document that a purpose proposed. */
export interface MergedEdits {
  kind: 'merged';
  of: Purpose;
}

/** Rows that the domain makes of a document without a model. */
export interface RuleRows {
  kind: 'rules';
}

/** An edit that a trial of purpose `of` proposed. */
export interface ReusedEdit {
  kind: 'reuse';
  of: Purpose;
  /** `chosen` by the selection; `scoredByAll`: on documents where every arm of that purpose has a score */
  which: 'chosen' | 'scoredByAll';
  /** of these writers alone */
  writers: readonly PolicyVersion[];
}

/** What seeds depend on. */
export interface PlannedTraining {
  sourceId: string;
  candidate: number;
  /** null: the edit is not reused */
  reused: TrialSpec | null;
}

export interface PlanInput {
  config: RoundConfig;
  /** of the domain: edit `i` of a document is written with template `i mod n` */
  templates: readonly string[];
  /** the round trained a policy */
  hasNew: boolean;
  /** what came before the round, however it is numbered */
  before: number | string;
}

/** A row of the report: a mean over documents on questions that chose nothing. */
export interface ReportArm {
  id: string;
  label: string;
  measured: AnswersBefore | AnswersAfter;
}

/** What a policy answers before any trial's training. */
export interface AnswersBefore {
  by: PolicyVersion;
  asked: Arm;
}

/** What a round recorded of its trials. */
export interface RecordedTrials {
  /** by purpose */
  trials: Partial<Record<string, Trial[]>>;
  selection: Selection | null;
}

/** What trained adapters answer. */
export interface AnswersAfter {
  trials: (recorded: RecordedTrials) => Trial[];
  questions: 'b' | 'otherSource';
}

/** The difference of two arms on the documents that both have. */
export interface Contrast {
  id: string;
  arm: string;
  against: string;
  /** in the report's table, in the row of the arm `shownAt` */
  label: string;
  shownAt: string;
}
