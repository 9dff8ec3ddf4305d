/** Tokens for each UTF-16 unit from here on, by script, as the default model's tokenizer has them. */
const unitTokens = [
  { from: 0x80, tokens: 1 }, // accented Latin
  { from: 0x370, tokens: 1.1 }, // Greek, Cyrillic, Hebrew, Arabic
  { from: 0x900, tokens: 1.5 }, // Devanagari and its kin
  { from: 0xe00, tokens: 1.9 }, // Thai, Lao and what follows
  { from: 0x1e00, tokens: 2 }, // Vietnamese Latin
  { from: 0x2000, tokens: 1.9 }, // marks, kana, Han
  { from: 0xac00, tokens: 2.7 }, // Hangul
  { from: 0xd7b0, tokens: 1.9 },
] as const;

/**
 * About how many tokens a text has for the default model; one with a larger vocabulary needs fewer in scripts other than Latin.
 * In English four or five letters are a token, in a language with accents two or three; a digit is one.
 */
export function estimateTokens(text: string): number {
  let [ascii, accented, digits, others] = [0, 0, 0, 0];
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x30 && unit <= 0x39) digits += 1;
    else if (unit < 0x80) ascii += 1;
    else {
      if (unit < 0x250 || (unit >= 0x1e00 && unit < 0x1f00)) accented += 1;
      others += unitTokens.findLast(({ from }) => unit >= from)?.tokens ?? 0;
    }
  }
  const perLetter = accented > 0.005 * ascii ? 0.42 : 0.22;
  return Math.ceil(ascii * perLetter + digits + others);
}
