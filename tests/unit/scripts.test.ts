import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { knowledgeDomain } from '../../src/domains/knowledge/index.js';
import { gradeAnswer } from '../../src/seal/grading.js';
import { hasSharedData, sharedData } from '../support/shared-data.js';

// Real questions in real passages: what an answer of the passage's own words is worth in each language.
const files: Record<string, [string, string]> = {
  'qa/seal-squad_val.json': ['Q: ', 'A: '],
  'qa/xquad.en.json': ['Q: ', 'A: '],
  'qa/xquad.de.json': ['Frage: ', 'Antwort: '],
  'qa/xquad.tr.json': ['Soru: ', 'Cevap: '],
  'qa/xquad.ar.json': ['س: ', 'ج: '],
  'qa/xquad.zh.json': ['问：', '答：'],
  'qa/cmrc_trial.json': ['问题：', '答案：'],
};
const atLeast = 0.95;
const sampled = 300;

const nestedSchema = z.object({
  data: z.array(
    z.object({
      paragraphs: z.array(
        z.object({
          context: z.string(),
          qas: z.array(z.object({ question: z.string(), answers: z.array(z.object({ text: z.string() })) })),
        }),
      ),
    }),
  ),
});
const flatSchema = z.array(
  z.object({ context: z.string(), questions: z.array(z.object({ question: z.string(), answer: z.string() })) }),
);

interface Asked {
  context: string;
  question: string;
  answer: string;
}

async function questionsOf(file: string): Promise<Asked[]> {
  const raw = await sharedData(file);
  const flat = flatSchema.safeParse(raw);
  const asked = flat.success
    ? flat.data.flatMap(({ context, questions }) => questions.map((question) => ({ context, ...question })))
    : nestedSchema
        .parse(raw)
        .data.flatMap(({ paragraphs }) =>
          paragraphs.flatMap(({ context, qas }) =>
            qas.flatMap(({ question, answers: [first] }) =>
              first === undefined ? [] : [{ context, question, answer: first.text }],
            ),
          ),
        );
  const step = Math.ceil(asked.length / sampled);
  return asked.filter((_, i) => i % step === 0);
}

/** The part of the passage between two marks that holds the answer. */
function clauseOf({ context, answer }: Asked): string {
  const at = context.indexOf(answer);
  const mark = /[.,;:!?。，；：！？、،؛؟।\n]/u;
  let [from, to] = [Math.max(0, at), Math.max(0, at) + answer.length];
  while (from > 0 && !mark.test(context[from - 1] ?? '')) from -= 1;
  while (to < context.length && !mark.test(context[to] ?? '')) to += 1;
  return context.slice(from, to);
}

const share = (asked: Asked[], holds: (one: Asked) => boolean): number => asked.filter(holds).length / asked.length;

describe.each(Object.entries(files))('%s', (file, [questionLabel, answerLabel]) => {
  const test = it.skipIf(!hasSharedData(file));

  test('every reference equals itself, and its clause of the passage says it', { timeout: 60_000 }, async () => {
    const asked = (await questionsOf(file)).filter(({ context, answer }) => context.includes(answer));
    const matches = ({ answer, question }: Asked, given: string) => gradeAnswer(answer, given, { question }).match;
    expect(share(asked, (one) => matches(one, one.answer))).toBe(1);
    expect(share(asked, (one) => matches(one, clauseOf(one)))).toBeGreaterThanOrEqual(atLeast);
  });

  test('its questions, written as a self-edit, are read and teach', { timeout: 60_000 }, async () => {
    const teaches = ({ context, question, answer }: Asked): boolean => {
      const completion = `${questionLabel}${question}\n${answerLabel}${answer}`;
      return knowledgeDomain.parseEdit({ title: '', text: context }, [completion], 'self-qa', 'chat').ok;
    };
    expect(share(await questionsOf(file), teaches)).toBeGreaterThanOrEqual(atLeast);
  });
});
