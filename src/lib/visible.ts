/**
 * Characters that are invisible, or that change how others are shown: controls (escape sequences begin with one), format and
 * filler characters, line separators, halves of surrogate pairs.
 */
const unseen = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]/gu;

/** Text of others as it may be shown in one line: an invisible character is replaced by its number, `\u{200b}`. */
export const visible = (text: string): string =>
  text.replace(unseen, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);

/** Text without invisible characters. */
export const withoutUnseen = (text: string): string => text.replace(unseen, '');

/** Whether text has controls or halves of surrogate pairs, which no name and no id needs and no database holds. */
export const hasControls = (text: string): boolean => /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(text);

/** Whether every surrogate of a text has its other half: no UTF-8 holds one that has not. */
export const isWellFormed = (text: string): boolean => !/\p{Cs}/u.test(text);

/** Text with U+FFFD for every half of a surrogate pair, as the ledger keeps it. */
export const wellFormed = (text: string): string => text.replace(/\p{Cs}/gu, '\uFFFD');

/** Where a value holds texts that are not well-formed, as paths (`gate.approvers.0`). */
export function brokenTexts(value: unknown, path = ''): string[] {
  if (typeof value === 'string') return isWellFormed(value) ? [] : [path];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, part]) => brokenTexts(part, path === '' ? key : `${path}.${key}`));
}
