import { decodeHTMLStrict } from 'entities';

/** The zero of each decimal script, which its other digits follow: Arabic-Indic, Devanagari, Thai and so on. */
const zeros = Array.from('0٠۰߀०০੦૦୦௦౦೦൦෦๐໐༠၀႐០᠐᥆᧐᪀᭐᮰᱀᱐', (zero) => zero.codePointAt(0) ?? 0);
const marksOfLetters = /[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u06d6-\u06ed]/gu;

/**
 * A text as it is compared, case apart: entities, formatting characters, width, and the digits, fractions and number signs
 * of every script are spelled in one way.
 */
export function foldText(text: string): string {
  return (
    (text.includes('&') ? decodeHTMLStrict(text) : text)
      .replace(/[\p{Cf}\p{Cs}\ufe0e\ufe0f]/gu, '')
      .replace(/[^\P{Cc}\n]/gu, ' ')
      .replace(/(?<=\d)[⁰¹²³⁴-⁹]+/gu, (power) => ` ^ ${power}`)
      .replace(/(\d*) ?([¼-¾⅐-⅞])/gu, (_, whole: string, part: string) => `${whole} ${part}`)
      .normalize('NFKC')
      // one vowel in Thai and Lao, which dictionaries know as one
      .replaceAll('\u0e4d\u0e32', '\u0e33')
      .replaceAll('\u0ecd\u0eb2', '\u0eb3')
      .replace(/(?:(\d+) )? ?(\d+)⁄([1-9]\d*)/gu, (_, whole: string | undefined, over: string, under: string) =>
        String(Math.round((Number(whole ?? 0) + Number(over) / Number(under)) * 10_000) / 10_000),
      )
      .replace(/\p{Nd}/gu, digitOf)
      .replace(/(?<=\d)٫(?=\d)/gu, '.')
      .replace(/(?<=\d)٬(?=\d)/gu, ',')
  );
}

function digitOf(digit: string): string {
  const code = digit.codePointAt(0) ?? 0;
  const zero = zeros.find((zero) => code >= zero && code < zero + 10);
  return zero === undefined ? digit : String(code - zero);
}

/** A word without case, accents, vowel points and the two shapes of one letter. Marks that are vowels, as in Hindi, stay. */
export function foldWord(word: string): string {
  return (
    word
      // by way of upper case, ß is ss and final sigma is sigma
      .toUpperCase()
      .toLowerCase()
      .normalize('NFD')
      .replace(marksOfLetters, '')
      .normalize('NFC')
      .replaceAll('ς', 'σ')
      .replaceAll('ı', 'i')
      .replaceAll('ـ', '')
      .replace(/[ٱ]/gu, 'ا')
      .replaceAll('ى', 'ي')
  );
}
