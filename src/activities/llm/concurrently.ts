/**
 * Runs `work` on every item, at most `limit` at once. The first failure is told to `giveUp`, which ends what is under way;
 * nothing more begins, and all that is under way is waited for, so that nothing goes on behind the caller's back.
 */
export async function concurrently<T>(
  items: T[],
  limit: number,
  work: (item: T) => Promise<void>,
  giveUp: (error: unknown) => void = () => undefined,
): Promise<void> {
  const waiting = items.values();
  let failures = 0;
  const worker = async (): Promise<void> => {
    // the workers share the iterator: each takes the next item that none has
    for (const item of waiting) {
      if (failures > 0) return;
      try {
        await work(item);
      } catch (error) {
        failures += 1;
        if (failures === 1) giveUp(error);
        throw error;
      }
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: Math.min(limit, items.length) }, worker));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}
