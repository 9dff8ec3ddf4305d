import { distance } from 'fastest-levenshtein';

/** The word of a list that was probably meant by one that is not in it; undefined where none is near. */
export function closestOf(word: string, words: readonly string[]): string | undefined {
  const near = words
    .map((other) => ({ other, edits: distance(word.toLowerCase(), other.toLowerCase()) }))
    .filter(({ other, edits }) => edits <= Math.max(1, Math.floor(other.length / 3)))
    .sort((a, b) => a.edits - b.edits);
  return near[0]?.other;
}
