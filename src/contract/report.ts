import { z } from 'zod';

/** A report's arms by the ids of its design, each a mean over documents; null where an arm was not run. */
export const armsSchema = z.record(z.string().min(1).max(40), z.number().nullable());
export type Arms = z.infer<typeof armsSchema>;

/** Held-out match after training on one edit: rows are who wrote it, columns who learnt it. */
export const heldOutSchema = z.strictObject({
  /** old policy writes and learns */
  before: z.number().nullable(),
  /** new policy writes and learns */
  after: z.number().nullable(),
  sources: z.int().nonnegative(),
  questions: z.int().nonnegative(),
  cells: z.strictObject({
    oldOld: z.number().nullable(),
    oldNew: z.number().nullable(),
    newOld: z.number().nullable(),
    newNew: z.number().nullable(),
  }),
});
export type HeldOut = z.infer<typeof heldOutSchema>;

/** Old against new policy on questions of no document, canaries or the frozen set. */
export const retentionNumbersSchema = z.strictObject({
  asked: z.int().nonnegative(),
  rightBefore: z.int().nonnegative(),
  /** null: there is no new policy, or it was not asked */
  rightAfter: z.int().nonnegative().nullable(),
  /** right before and wrong after */
  lost: z.int().nonnegative().nullable(),
});
export type RetentionNumbers = z.infer<typeof retentionNumbersSchema>;
