import { visible } from '../../lib/visible.js';

/** Text of others in one line of a terminal: no escape sequence, no line break and nothing invisible reaches it as such. */
export const safeText = visible;

/** The same for text of several lines. */
export const safeLines = (text: string): string => text.split('\n').map(visible).join('\n');

/** Indented JSON without a character that a terminal would obey; it parses to the same value. */
export const safeJson = (value: unknown): string =>
  JSON.stringify(value ?? null, null, 2).replace(
    /[^\n -~\u{a1}-\u{10ffff}]|[\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu,
    (character) => escapesOf(character),
  );

/** As JSON writes it: `\u` and four digits for each half of a pair. */
const escapesOf = (character: string): string =>
  Array.from(
    { length: character.length },
    (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`,
  ).join('');
