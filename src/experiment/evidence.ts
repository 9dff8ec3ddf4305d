import type { ModelRef } from '../contract/index.js';
import type { Domain, Arm, RetentionItem, Source } from '../domains/domain.js';
import { inSplit, questionsOf, type Question } from '../domains/questions.js';
import type { Ledger, LongSource, Policy, PreparedRound, RetentionKind } from '../ledger/index.js';
import { modelDigest } from '../seal/keys.js';
import type { BySource } from './by-source.js';
import type { Design, RecordedTrials } from './design.js';

/** For each item: was it answered right by the policy before the round, and by the new one; null where it was not asked. */
export interface RetentionAnswers {
  old: boolean | null;
  new: boolean | null;
}

/** All that a report is computed from, as the ledger holds it. */
export interface Evidence extends RecordedTrials {
  design: Design;
  round: PreparedRound;
  /** of a score: the domain's primary one, which every number of the report is a mean of */
  component: string;
  policy: Policy | null;
  /** another round trained the same policy before */
  policyReused: boolean;
  /** before any training, on questions B of the training documents; by the id of the arm */
  before: ReadonlyMap<string, BySource>;
  /** before any training on all questions of the held-out documents */
  heldOutBaseline: { old: BySource; new: BySource };
  train: Source[];
  heldOut: Source[];
  /** how long the documents are, where it was counted; longest first */
  passageTokens: (LongSource & { label: string })[];
  retention: Record<RetentionKind, RetentionAnswers[]>;
}

/** Reads a round's evidence. Null and absent stay so: what was not measured is no zero. */
export async function gatherEvidence(
  { ledger, domain, design }: { ledger: Ledger; domain: Domain; design: Design },
  roundId: string,
): Promise<Evidence> {
  const round = await ledger.rounds.prepared(roundId);
  const train = await ledger.corpora.roundSources(roundId, 'train');
  const heldOut = await ledger.corpora.roundSources(roundId, 'heldOut');
  const labels = new Map([...train, ...heldOut].map(({ sourceId, content }) => [sourceId, domain.label(content)]));
  const answers = new AnswerReader(ledger, domain, round);
  const trials = await Promise.all(
    design.purposes.map(async ({ name }) => [name, await ledger.trials.ofPurpose(roundId, name)] as const),
  );
  const before = await Promise.all(
    design.arms.flatMap(({ id, measured }) =>
      'trials' in measured
        ? []
        : [
            answers
              .meanBySource(round[measured.by], onlyB(train), measured.asked)
              .then((means) => [id, means] as const),
          ],
    ),
  );
  return {
    design,
    round,
    component: domain.primary,
    trials: Object.fromEntries(trials),
    selection: await ledger.selections.get(roundId),
    policy: await ledger.policies.get(roundId),
    policyReused: await ledger.policies.trainedBefore(roundId),
    before: new Map(before),
    heldOutBaseline: {
      old: await answers.meanBySource(round.old, heldOut, 'closedBook'),
      new: await answers.meanBySource(round.new, heldOut, 'closedBook'),
    },
    train,
    heldOut,
    passageTokens: (await ledger.corpora.longerThan(roundId, 0)).map((long) => ({
      ...long,
      label: labels.get(long.sourceId) ?? long.sourceId,
    })),
    retention: { canary: await answers.retention('canary'), frozen: await answers.retention('frozen') },
  };
}

const onlyB = (sources: Source[]): Source[] => sources.map((source) => ({ ...source, items: inSplit(source, 'B') }));

/** Reads what a model answered before any trial's training. */
class AnswerReader {
  constructor(
    private readonly ledger: Ledger,
    private readonly domain: Domain,
    private readonly round: PreparedRound,
  ) {}

  /** The mean score of each document; none for a document of which a question was not asked. */
  async meanBySource(model: ModelRef | null, sources: Source[], arm: Arm): Promise<BySource> {
    const asked = sources.map((source) => ({ source, questions: this.put(source, source.items, arm) }));
    const scores = await this.scores(
      model,
      asked.flatMap(({ questions }) => questions),
      arm,
    );
    const means: BySource = new Map();
    for (const { source, questions } of asked) {
      const known = questions.flatMap(({ itemDigest }) => scores.get(itemDigest) ?? []);
      if (known.length === 0 || known.length < questions.length) continue;
      means.set(source.sourceId, known.reduce((sum, score) => sum + score, 0) / known.length);
    }
    return means;
  }

  async retention(kind: RetentionKind): Promise<RetentionAnswers[]> {
    const retention = await this.ledger.corpora.retention(this.round.corpusDigest, kind);
    const questions = this.put(null, retention, 'closedBook');
    const before = await this.scores(this.round.old, questions, 'closedBook');
    const after = await this.scores(this.round.new, questions, 'closedBook');
    return questions.map(({ itemDigest }) => ({
      old: isRight(before.get(itemDigest)),
      new: isRight(after.get(itemDigest)),
    }));
  }

  private put(source: Source | null, items: RetentionItem[], arm: Arm): Question[] {
    return questionsOf({ domain: this.domain, style: this.round.config.promptStyle }, source, items, arm);
  }

  /** What each question's answer scores, by its digest. */
  private async scores(model: ModelRef | null, questions: Question[], arm: Arm): Promise<Map<string, number>> {
    if (model === null) return new Map();
    const digests = questions.map(({ itemDigest }) => itemDigest);
    const found = await this.ledger.answers.find(modelDigest(model), digests, arm, this.domain.grader);
    const { primary } = this.domain;
    return new Map(
      found.flatMap(({ itemDigest, scores }) => {
        const score = scores[primary] ?? null;
        return score === null ? [] : [[itemDigest, score]];
      }),
    );
  }
}

const isRight = (score: number | undefined): boolean | null => (score === undefined ? null : score === 1);
