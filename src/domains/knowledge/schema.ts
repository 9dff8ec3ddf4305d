import { z } from 'zod';

/** The content of a source: a passage under its title. */
export const passageSchema = z.strictObject({ title: z.string(), text: z.string() });
export type Passage = z.infer<typeof passageSchema>;

/** The content of an item: a question with its reference answers. */
export const questionSchema = z.strictObject({
  question: z.string(),
  answer: z.string(),
  /** further references: an answer gets the best of its grades */
  otherAnswers: z.array(z.string()),
});
export type Question = z.infer<typeof questionSchema>;
