/**
 * Runs `work` on every item, at most `limit` at once. After a failure nothing more begins, and what is under way is waited
 * for before it is thrown, so that nothing goes on behind the caller's back.
 */
export async function concurrently<T>(items: T[], limit: number, work: (item: T) => Promise<void>): Promise<void> {
  const waiting = items.values();
  let failed = false;
  const worker = async (): Promise<void> => {
    // the workers share the iterator: each takes the next item that none has
    for (const item of waiting) {
      if (failed) return;
      try {
        await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: Math.min(limit, items.length) }, worker));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}
