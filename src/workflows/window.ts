/**
 * Does `work` for every item in order, at most `width` at once, and waits until nothing is in flight any more. Then the
 * first failure is thrown, if there was one; after a failure no further item is begun.
 */
export async function inWindow<T>(
  items: readonly T[],
  width: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const entries = items.entries();
  let failed = false;
  const lane = async (): Promise<void> => {
    for (const [index, item] of entries) {
      if (failed) return;
      try {
        await work(item, index);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: Math.min(width, items.length) }, lane));
  const broken = lanes.find((settled) => settled.status === 'rejected');
  if (broken !== undefined) throw broken.reason;
}
