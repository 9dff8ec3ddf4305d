import { z } from 'zod';
import { textDigest } from '../../contract/index.js';

const text = z.string();
/** SEAL's `rank_*.json`, as far as answers and the judge's verdicts of them go. */
const rankSchema = z.object({
  articles: z.array(
    z.object({
      title: text,
      completions: z.array(
        z.object({
          questions: z.array(
            z.object({
              question: text,
              answer: text,
              baseline_answer: text,
              baseline_correct: z.boolean(),
              adapter_answer: text,
              adapter_correct: z.boolean(),
            }),
          ),
        }),
      ),
    }),
  ),
});

/** An answer, a judge's verdict on it, and how often the file has it. */
export interface Verdict {
  article: string;
  question: string;
  reference: string;
  answer: string;
  isCorrect: boolean;
  times: number;
}

/** Every answer of a file of verdicts once; an answer that was judged both ways counts for each. */
export function readVerdicts(raw: unknown): Verdict[] {
  const verdicts = new Map<string, Verdict>();
  for (const { title: article, completions } of rankSchema.parse(raw).articles) {
    for (const asked of completions.flatMap(({ questions }) => questions)) {
      const { question, answer: reference } = asked;
      for (const [answer, isCorrect] of [
        [asked.baseline_answer, asked.baseline_correct],
        [asked.adapter_answer, asked.adapter_correct],
      ] as const) {
        const key = JSON.stringify([article, question, reference, answer, isCorrect]);
        const known = verdicts.get(key);
        if (known !== undefined) known.times += 1;
        else verdicts.set(key, { article, question, reference, answer, isCorrect, times: 1 });
      }
    }
  }
  return [...verdicts.values()];
}

/** The grader was tuned on articles with an even first digit of their title's digest; the others were not looked at. */
export const isTuning = ({ article }: Verdict): boolean =>
  Number.parseInt(textDigest(article).slice(0, 1), 16) % 2 === 0;
