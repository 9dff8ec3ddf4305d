import { purposes, type ModelRef, type Purpose } from '../contract/index.js';
import type { Arm, Domain, Source } from '../domains/domain.js';
import type {
  Ledger,
  LongSource,
  Policy,
  PreparedRound,
  RetentionItem,
  RetentionKind,
  Trial,
} from '../ledger/index.js';
import { modelDigest } from '../seal/keys.js';
import type { Selection } from '../seal/records.js';
import { questionsOf, type Question } from '../domains/questions.js';
import type { BySource } from './by-source.js';

/** For each item: was it answered right by the policy before the round, and by the new one; null where it was not asked. */
export interface RetentionAnswers {
  old: boolean | null;
  new: boolean | null;
}

/** All that a report is computed from, as the ledger holds it. */
export interface Evidence {
  round: PreparedRound;
  trials: Record<Purpose, Trial[]>;
  selection: Selection | null;
  policy: Policy | null;
  /** another round trained the same policy before */
  policyReused: boolean;
  /** match of the old policy before any training: on questions B of the training documents */
  base: BySource;
  inContext: BySource;
  /** match before any training on all questions of the held-out documents */
  heldOutBaseline: { old: BySource; new: BySource };
  train: Source[];
  heldOut: Source[];
  /** how long the documents are, where it was counted; longest first */
  passageTokens: LongSource[];
  retention: Record<RetentionKind, RetentionAnswers[]>;
}

/** Reads a round's evidence. Null and absent stay so: what was not measured is no zero. */
export async function gatherEvidence(ledger: Ledger, domain: Domain, roundId: string): Promise<Evidence> {
  const round = await ledger.rounds.prepared(roundId);
  const train = await ledger.corpora.roundSources(roundId, 'train');
  const heldOut = await ledger.corpora.roundSources(roundId, 'heldOut');
  const answers = new AnswerReader(ledger, domain, round);
  const ofPhase = await Promise.all(
    purposes.map(async (purpose) => [purpose, await ledger.trials.ofPurpose(roundId, purpose)]),
  );
  return {
    round,
    trials: Object.fromEntries(ofPhase) as Evidence['trials'],
    selection: await ledger.selections.get(roundId),
    policy: await ledger.policies.get(roundId),
    policyReused: await ledger.policies.trainedBefore(roundId),
    base: await answers.matchBySource(round.old, onlyB(train), 'closedBook'),
    inContext: await answers.matchBySource(round.old, onlyB(train), 'inContext'),
    heldOutBaseline: {
      old: await answers.matchBySource(round.old, heldOut, 'closedBook'),
      new: await answers.matchBySource(round.new, heldOut, 'closedBook'),
    },
    train,
    heldOut,
    passageTokens: await ledger.corpora.longerThan(roundId, 0),
    retention: { canary: await answers.retention('canary'), frozen: await answers.retention('frozen') },
  };
}

const onlyB = (sources: Source[]): Source[] =>
  sources.map((source) => ({ ...source, items: source.items.filter(({ split }) => split === 'B') }));

/** Reads what a model answered before any trial's training. */
class AnswerReader {
  constructor(
    private readonly ledger: Ledger,
    private readonly domain: Domain,
    private readonly round: PreparedRound,
  ) {}

  /** The mean match of each document; none for a document of which a question was not asked. */
  async matchBySource(model: ModelRef | null, sources: Source[], arm: Arm): Promise<BySource> {
    const asked = sources.map((source) => ({ source, questions: this.put(source, source.items, arm) }));
    const matched = await this.matches(
      model,
      asked.flatMap(({ questions }) => questions),
      arm,
    );
    const means: BySource = new Map();
    for (const { source, questions } of asked) {
      const known = questions.flatMap(({ itemDigest }) => matched.get(itemDigest) ?? []);
      if (known.length === 0 || known.length < questions.length) continue;
      means.set(source.sourceId, known.filter(Boolean).length / known.length);
    }
    return means;
  }

  async retention(kind: RetentionKind): Promise<RetentionAnswers[]> {
    const retention = await this.ledger.corpora.retention(this.round.corpusDigest, kind);
    const questions = this.put(null, retention.map(asItem), 'closedBook');
    const before = await this.matches(this.round.old, questions, 'closedBook');
    const after = await this.matches(this.round.new, questions, 'closedBook');
    return questions.map(({ itemDigest }) => ({
      old: before.get(itemDigest) ?? null,
      new: after.get(itemDigest) ?? null,
    }));
  }

  private put(source: Source | null, items: Source['items'], arm: Arm): Question[] {
    return questionsOf({ domain: this.domain, style: this.round.config.promptStyle }, source, items, arm);
  }

  /** Whether each question was answered right, by its digest. */
  private async matches(model: ModelRef | null, questions: Question[], arm: Arm): Promise<Map<string, boolean>> {
    if (model === null) return new Map();
    const digests = questions.map(({ itemDigest }) => itemDigest);
    const found = await this.ledger.answers.find(modelDigest(model), digests, arm, this.domain.grader);
    return new Map(found.map(({ itemDigest, match }) => [itemDigest, match]));
  }
}

const asItem = (item: RetentionItem): Source['items'][number] => ({ ...item, split: 'B' });
