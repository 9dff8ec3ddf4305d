/**
 * Runs `work` for every item in order, at most `limit` at once. After a failure no further item begins; the first failure
 * is told to `giveUp` at once, and thrown when nothing is in flight any more.
 */
export async function forEachConcurrently<T>(
  items: readonly T[],
  limit: number,
  work: (item: T, index: number) => Promise<void>,
  giveUp: (error: unknown) => void = () => undefined,
): Promise<void> {
  // the lanes share the iterator: each takes the next item that no other has
  const entries = items.entries();
  const failures: unknown[] = [];
  const lane = async (): Promise<void> => {
    for (const [index, item] of entries) {
      if (failures.length > 0) return;
      try {
        await work(item, index);
      } catch (error) {
        if (failures.push(error) === 1) giveUp(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane));
  if (failures.length > 0) throw failures[0];
}

/** Both results. The first failure is told to `giveUp` at once, and thrown when the other has ended too. */
export async function both<A, B>(
  one: Promise<A>,
  other: Promise<B>,
  giveUp: (error: unknown) => void = () => undefined,
): Promise<[A, B]> {
  try {
    return await Promise.all([one, other]);
  } catch (error) {
    giveUp(error);
    await Promise.allSettled([one, other]);
    throw error;
  }
}

/** Both results, once both have ended. Where both failed, the failure of `one` is thrown, whichever came first. */
export async function bothEnded<A, B>(one: Promise<A>, other: Promise<B>): Promise<[A, B]> {
  await Promise.allSettled([one, other]);
  return [await one, await other];
}
