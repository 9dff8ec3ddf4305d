const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' });
const minWords = 4;

/** The sentences of a passage, scraps joined to the one before; in at most `atMost` parts of equal length, if more. */
export function sentencesOf(passage: string, atMost: number): string[] {
  const sentences: string[] = [];
  for (const { segment } of segmenter.segment(passage)) {
    const sentence = segment.trim().replace(/\s+/gu, ' ');
    if (sentence === '') continue;
    const before = sentences.at(-1);
    if (before !== undefined && sentence.split(' ').length < minWords) {
      sentences[sentences.length - 1] = `${before} ${sentence}`;
    } else sentences.push(sentence);
  }
  const size = Math.ceil(sentences.length / atMost);
  return Array.from({ length: Math.ceil(sentences.length / Math.max(1, size)) }, (_, i) =>
    sentences.slice(i * size, (i + 1) * size).join(' '),
  );
}
