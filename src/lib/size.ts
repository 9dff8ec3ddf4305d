/** Whether a value has more parts (objects, their keys, elements, texts, …) than `most`; takes no longer than counting those. */
export function hasMoreParts(value: unknown, most: number): boolean {
  const unseen: unknown[] = [value];
  for (let seen = 0; unseen.length > 0; seen += 1) {
    if (seen + unseen.length > most) return true;
    const part = unseen.pop();
    if (typeof part === 'object' && part !== null) {
      if (Array.isArray(part) && part.length > most) return true;
      for (const key in part) {
        unseen.push((part as Record<string, unknown>)[key]);
        if (unseen.length > most) return true;
      }
    }
  }
  return false;
}
