import { likelihoodComponent, type ModelRef } from '../../contract/index.js';
import type { AskableModel, EffectProbe } from '../../inference/index.js';
import type { Answer } from '../../ledger/index.js';
import type { Question } from '../../domains/questions.js';
import { modelDigest } from '../../seal/keys.js';
import { forEachConcurrently } from '../../lib/concurrency.js';
import type { RoundRun } from './deps.js';

/** Questions of one adapter that are open at once: the server decodes them in one batch. */
const openQuestions = 64;
/** Questions by which an adapter is shown to take effect. */
const probeQuestions = 2;

/**
 * The model's answers, in the order asked. What the ledger has is not asked again, and each answer is kept as it comes, so
 * a retried attempt asks only what is missing. Where nothing is missing, no adapter is loaded.
 */
export async function answerQuestions(
  run: RoundRun,
  model: ModelRef,
  questions: Question[],
  doing: string,
): Promise<{ answers: Answer[]; asked: number }> {
  const digest = modelDigest(model);
  const known = await knownAnswers(run, digest, questions);
  const missing = new Map(questions.filter((one) => !known.has(keyOf(one))).map((one) => [keyOf(one), one]));
  if (missing.size > 0) {
    const open = [...missing.values()];
    run.progress.begin(doing, open.length);
    await run.leases.withModel(model, probesOf(open), run.signal, (served) =>
      forEachConcurrently(
        open,
        openQuestions,
        async (question) => {
          const answer = await run.turn(() => askModel(run, served, digest, question));
          for (const kept of await run.ledger.answers.insert([answer])) known.set(keyOf(kept), kept);
          run.progress.step();
        },
        run.giveUp,
      ),
    );
  }
  return { answers: questions.map((question) => found(known, question)), asked: missing.size };
}

const keyOf = ({ arm, itemDigest }: Pick<Answer, 'arm' | 'itemDigest'>): string => `${arm} ${itemDigest}`;

function found(known: Map<string, Answer>, question: Question): Answer {
  const answer = known.get(keyOf(question));
  if (answer === undefined) throw new Error(`item ${question.item.itemId} was asked and has no answer in the ledger`);
  return answer;
}

async function knownAnswers(
  { ledger, domain }: RoundRun,
  digest: string,
  questions: Question[],
): Promise<Map<string, Answer>> {
  const known = new Map<string, Answer>();
  for (const arm of new Set(questions.map((question) => question.arm))) {
    const digests = questions.filter((question) => question.arm === arm).map(({ itemDigest }) => itemDigest);
    for (const answer of await ledger.answers.find(digest, digests, arm, domain.grader)) {
      known.set(keyOf(answer), answer);
    }
  }
  return known;
}

async function askModel(
  { domain }: RoundRun,
  served: AskableModel,
  digest: string,
  { item, sourceId, prompt, sampling, reference, itemDigest, arm }: Question,
): Promise<Answer> {
  const [{ texts }, likelihood] = await Promise.all([
    served.generate(prompt, sampling),
    // rewards and reports use the likelihood of a source's items alone, asked from memory
    sourceId !== null && arm === 'closedBook' ? served.logLikelihood(prompt, reference) : null,
  ]);
  const answer = domain.readAnswer(texts[0] ?? '');
  return {
    modelDigest: digest,
    itemDigest,
    arm,
    grader: domain.grader,
    itemId: item.itemId,
    sourceId,
    item: item.content,
    answer,
    scores: { ...domain.grade(item.content, answer), [likelihoodComponent]: likelihood?.mean ?? null },
  };
}

const probesOf = (questions: Question[]): EffectProbe[] =>
  questions.slice(0, probeQuestions).map(({ prompt, reference }) => ({ prompt, continuation: reference }));
