/** The weight of one copy where weights differ. */
const weightOfCopy = 0.5;

/**
 * Rows by repetition, because a dataset's lines have no weight: equal weights need one copy each, and where weights differ
 * a row has one copy per 0.5 of weight, rounded, and at least one.
 */
export function repeated<T extends { weight: number }>(rows: T[]): T[] {
  const [first] = rows;
  if (rows.every(({ weight }) => weight === first?.weight)) return rows;
  return rows.flatMap((row) => Array<T>(Math.max(1, Math.round(row.weight / weightOfCopy))).fill(row));
}
