/** A text as Postgres and a prompt can hold it: one kind of line end, no control characters, no byte order mark
 * inside, no half of a character. */
export function cleanText(text: string): string {
  return (
    text
      .replace(/\r\n?/gu, '\n')
      // eslint-disable-next-line no-control-regex -- they are what is looked for
      .replace(/[\u000b\u000c\u0085]/gu, ' ')
      // eslint-disable-next-line no-control-regex -- they are what is looked for
      .replace(/[\u0000-\u0008\u000e-\u001f\u007f-\u009f\ufeff]/gu, '')
      .replace(/\p{Surrogate}/gu, '\ufffd')
      .trim()
  );
}

/** The same for text within one line of a prompt: titles, questions, answers. */
export const cleanLine = (text: string): string => cleanText(text).replace(/\s+/gu, ' ');

/** Whether a person would see anything: formatting characters alone, such as a zero width space, are no answer. */
export const isVisible = (text: string): boolean => /[\p{L}\p{N}\p{P}\p{S}]/u.test(text);

/** Two spellings of one question: case and accents may matter, how the letters are composed does not. */
export const sameLine = (text: string): string => cleanLine(text).normalize('NFC');

const words = new Intl.Segmenter('und', { granularity: 'word' });

/** The words of a text of any script, as far as it takes to see whether there are more than `most`. */
export function hasMoreWords(text: string, most: number): boolean {
  if (text.length <= most) return false;
  let count = 0;
  for (const { isWordLike } of words.segment(text)) {
    if (isWordLike === true) count += 1;
    if (count > most) return true;
  }
  return false;
}
