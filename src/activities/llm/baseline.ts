import { bounds, type ActivityRequest, type ActivityResult, type Example } from '../../contract/index.js';
import type { Source } from '../../domains/domain.js';
import { inSplit, questionsOf, type Question } from '../../domains/questions.js';
import { modelOf, type PreparedRound } from '../../ledger/index.js';
import { answerQuestions } from './answers.js';
import { forEachConcurrently } from '../../lib/concurrency.js';
import { answerReplay } from './replay.js';
import { runOf, type LlmRun, type RoundRun } from './deps.js';

/** Passages that are counted at once. */
const openPassages = 16;

/**
 * What the learner answers before any training, for some of the round's documents: every question from memory, canaries and
 * the frozen set with the first of them; and of the old policy also the training documents' questions B with the document
 * before it, how long their passages are, and with the first of them what it answers to replay prompts.
 */
export async function measureBaseline(
  llm: LlmRun,
  { roundId, learner, part: number }: ActivityRequest<'measureBaseline'>,
): Promise<ActivityResult<'measureBaseline'>> {
  const { sourcesPerBaseline } = bounds;
  const round = await llm.ledger.rounds.prepared(roundId);
  const run = runOf(llm, round);
  const phrasing = { domain: run.domain, style: round.config.promptStyle };
  const documents = await run.ledger.corpora.roundPart(roundId, number * sourcesPerBaseline, sourcesPerBaseline);
  const questions = [
    ...documents.flatMap((source) => questionsOf(phrasing, source, source.items, 'closedBook')),
    ...(number === 0 ? await loadRetentionQuestions(run, round) : []),
    ...documents
      .filter(({ role }) => role === 'train' && learner === 'old')
      .flatMap((source) => questionsOf(phrasing, source, inSplit(source, 'B'), 'inContext')),
  ];
  const { asked } = await answerQuestions(run, modelOf(round, learner), questions, `baseline of the ${learner} policy`);
  if (learner === 'old') {
    await countPassages(run, round, documents);
    if (number === 0 && round.config.replay > 0) await answerReplay(run, round.old);
  }
  return { asked, cached: questions.length - asked };
}

async function loadRetentionQuestions({ ledger, domain }: RoundRun, round: PreparedRound): Promise<Question[]> {
  const retention = [
    ...(await ledger.corpora.retention(round.corpusDigest, 'canary')),
    ...(await ledger.corpora.retention(round.corpusDigest, 'frozen')),
  ];
  return questionsOf({ domain, style: round.config.promptStyle }, null, retention, 'closedBook');
}

async function countPassages({ ledger, domain, countTokens }: RoundRun, round: PreparedRound, sources: Source[]) {
  const counted: { sourceId: string; tokens: number }[] = [];
  await forEachConcurrently(sources, openPassages, async (source) => {
    const rows = domain.rawExamples(source.content, round.config.promptStyle).map(textOf);
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
