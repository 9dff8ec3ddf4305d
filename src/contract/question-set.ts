import { z } from 'zod';
import { sha256Schema } from './artifacts.js';
import { canonicalDigest } from './digest.js';
import { documentVersionSchema } from './document-version.js';

/** A question about a passage of a snapshot. */
export const passageQuestionSchema = z.strictObject({
  question: z.string().min(1),
  answer: z.string().min(1),
  otherAnswers: z.array(z.string()).default([]),
  /** adapters are chosen on A and reported on B */
  split: z.enum(['A', 'B']),
  passageId: z.string().min(1),
  /** the sentence of the passage that holds the answer */
  answerSentence: z.string().min(1),
  /** a model's name, or a person's */
  writtenBy: z.string().min(1),
});
export type PassageQuestion = z.infer<typeof passageQuestionSchema>;

/** Questions frozen as the evaluation set of one snapshot. */
export const questionSetSchema = z.strictObject({
  version: documentVersionSchema,
  snapshotDigest: sha256Schema,
  questions: z.array(passageQuestionSchema),
});
export type QuestionSet = z.infer<typeof questionSetSchema>;

export const questionSetDigest = (set: QuestionSet): string => canonicalDigest(set);
