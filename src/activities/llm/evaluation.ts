import type {
  ActivityRequest,
  ActivityResult,
  Evaluation,
  ModelRef,
  RoundConfig,
  Scores,
  TrialSpec,
} from '../../contract/index.js';
import type { Source, Split } from '../../domains/domain.js';
import { inSplit, questionsOf, type Question } from '../../domains/questions.js';
import { modelOf, type Answer, type PreparedRound } from '../../ledger/index.js';
import { meanScores, rewardOf } from '../../seal/reward.js';
import { answerQuestions } from './answers.js';
import { runOf, type LlmRun, type RoundRun } from './deps.js';

/** What a trial's adapter is asked, by the part that it plays in the evaluation. */
interface Questions {
  a: Question[];
  b: Question[];
  otherSource: Question[];
  canaries: Question[];
}

/**
 * Asks the trained adapter what its trial's arm calls for and compares it with the learner alone. The training itself
 * reports when it changed no weight; an adapter that should show an effect and does not is the server's fault,
 * `AdapterNotApplied`.
 */
export async function evaluateAdapter(
  llm: LlmRun,
  { trialId, training }: ActivityRequest<'evaluateAdapter'>,
): Promise<ActivityResult<'evaluateAdapter'>> {
  if (training.updateNorm === 0) {
    return { status: 'no_effect', reason: `${training.steps} steps of training changed no weight` };
  }
  const { spec } = await llm.ledger.trials.get(trialId);
  const round = await llm.ledger.rounds.prepared(spec.roundId);
  const run = runOf(llm, round);
  const learner = modelOf(round, spec.learner);
  const trained: ModelRef = { ...learner, stack: [...learner.stack, training.adapter] };
  const questions = await questionsFor(run, round, spec);
  const before = await answered(
    run,
    learner,
    { ...questions, b: [], otherSource: [] },
    `${spec.learner} policy, before`,
  );
  // a canary that the learner does not know cannot be lost
  const canaries = questions.canaries.filter((_, index) => isRight(run, before.canaries[index]));
  const after = await answered(run, trained, { ...questions, canaries }, `adapter of ${spec.sourceId}`);
  return { status: 'scored', evaluation: evaluationOf(run, questions, before, after, round.config) };
}

async function questionsFor(
  { ledger, domain }: RoundRun,
  { roundId, corpusDigest, config }: PreparedRound,
  { sourceId, asks }: TrialSpec,
): Promise<Questions> {
  const phrasing = { domain, style: config.promptStyle };
  const source = await ledger.corpora.source(corpusDigest, sourceId);
  const other = asks.otherSource ? await ledger.corpora.nextTrainSource(roundId, sourceId) : null;
  const canaries = asks.canaries ? await ledger.corpora.retention(corpusDigest, 'canary') : [];
  const split = (of: Source, name: Split) => questionsOf(phrasing, of, inSplit(of, name), asks.mode);
  return {
    a: asks.splits.includes('A') ? split(source, 'A') : [],
    b: asks.splits.includes('B') ? split(source, 'B') : [],
    otherSource: other === null ? [] : split(other, 'B'),
    canaries: questionsOf(phrasing, null, canaries, 'closedBook'),
  };
}

type Answers = Record<keyof Questions, Answer[]>;

/** All parts go to the model at once, so that they share its lease and its batches. */
async function answered(run: RoundRun, model: ModelRef, questions: Questions, doing: string): Promise<Answers> {
  const { a, b, otherSource, canaries } = questions;
  const { answers } = await answerQuestions(run, model, [...a, ...b, ...otherSource, ...canaries], doing);
  const take = (asked: Question[]): Answer[] => answers.splice(0, asked.length);
  return { a: take(a), b: take(b), otherSource: take(otherSource), canaries: take(canaries) };
}

function evaluationOf(
  run: RoundRun,
  questions: Questions,
  before: Answers,
  after: Answers,
  config: RoundConfig,
): Evaluation {
  const scores = (answers: Answer[]): Scores | null =>
    answers.length === 0 ? null : meanScores(answers.map((answer) => answer.scores));
  const a = scores(after.a);
  const baselineA = scores(before.a);
  const canaries =
    questions.canaries.length === 0
      ? null
      : { asked: after.canaries.length, lost: after.canaries.filter((answer) => !isRight(run, answer)).length };
  return {
    a,
    b: scores(after.b),
    otherSource: scores(after.otherSource),
    canaries,
    reward:
      a === null || baselineA === null
        ? null
        : rewardOf({ after: a, before: baselineA, canaries, primary: run.domain.primary, reward: config.reward }),
  };
}

const isRight = ({ domain }: RoundRun, answer: Answer | undefined): boolean => answer?.scores[domain.primary] === 1;
