import { bounds, type ActivityRequest, type ActivityResult, type Example } from '../../contract/index.js';
import type { Source } from '../../domains/domain.js';
import { modelOf, type PreparedRound } from '../../ledger/index.js';
import { answerQuestions } from './answers.js';
import { questionsFor, retentionQuestions, inSplit, type ArmQuestion } from './asked.js';
import { forEachConcurrently } from '../../lib/concurrency.js';
import type { LlmRun } from './deps.js';

/** Passages that are counted at once. */
const openPassages = 16;

/**
 * What the learner answers before any training, for some of the round's documents: every question from memory, canaries and
 * the frozen set with the first of them; and of the old policy also the training documents' questions B with the document
 * before it, and how long their passages are.
 */
export async function measureBaseline(
  run: LlmRun,
  { roundId, learner, part: number }: ActivityRequest<'measureBaseline'>,
): Promise<ActivityResult<'measureBaseline'>> {
  const { ledger, domain } = run;
  const { sourcesPerBaseline } = bounds;
  const round = await ledger.rounds.prepared(roundId);
  const asking = { domain, style: round.config.promptStyle };
  const documents = await ledger.corpora.roundPart(roundId, number * sourcesPerBaseline, sourcesPerBaseline);
  const questions = [
    ...documents.flatMap((source) => questionsFor(asking, source, source.items, 'closedBook')),
    ...(number === 0 ? await loadRetentionQuestions(run, round) : []),
    ...documents
      .filter(({ role }) => role === 'train' && learner === 'old')
      .flatMap((source) => questionsFor(asking, source, inSplit(source, 'B'), 'inContext')),
  ];
  const { asked } = await answerQuestions(run, modelOf(round, learner), questions, `baseline of the ${learner} policy`);
  if (learner === 'old') {
    await countPassages(run, round, documents);
  }
  return { asked, cached: questions.length - asked };
}

async function loadRetentionQuestions({ ledger, domain }: LlmRun, round: PreparedRound): Promise<ArmQuestion[]> {
  const retention = [
    ...(await ledger.corpora.retention(round.corpusDigest, 'canary')),
    ...(await ledger.corpora.retention(round.corpusDigest, 'frozen')),
  ];
  return retentionQuestions({ domain, style: round.config.promptStyle }, retention);
}

async function countPassages({ ledger, domain, countTokens }: LlmRun, round: PreparedRound, sources: Source[]) {
  const counted: { sourceId: string; tokens: number }[] = [];
  await forEachConcurrently(sources, openPassages, async (source) => {
    const rows = domain.rawExamples(source, round.config.promptStyle).map(textOf);
    const tokens = await Promise.all(rows.map((row) => countTokens(round.old.base, row)));
    counted.push({ sourceId: source.sourceId, tokens: Math.max(0, ...tokens) });
  });
  await ledger.corpora.setPassageTokens(round.roundId, counted);
}

/** What a model reads and learns of an example. */
function textOf(example: Example): string {
  if ('text' in example) return example.text;
  if ('messages' in example) return example.messages.map(({ content }) => content).join('\n');
  return `${example.prompt}${example.completion}`;
}
