import { distance } from 'fastest-levenshtein';
import { isUnspaced } from './pieces.js';
import type { Word } from './words.js';

/** Endings between which a word keeps its meaning, as far as an answer goes: English, then those of other languages. */
const endings = new Set(
  `_ s es e d ed er ers or ors ing ings ion ions ation ations ment ments al ally ly ic ics ical y ies ied ity ities ous ive ism isms ist ists
   ise ised ises ising isation ize ized izes izing ization sm zed m ance ence ant ent able ible n en ary
   tion tions sion sions ded ding ure ures th ness ship ish ively ally
   em a o as os i u ul in un nin lar ler da de ta te dan den`
    .split(/\s+/u)
    .map((ending) => ending.replace('_', '')),
);
const nameEndings = new Set(['', 's', 'es', 'n', 'ns', 'en', 'e', 'i', 'an', 'ans', 'ian', 'ians']);

/** Korean particles and forms of "to be" and "to do", which are written onto the word. */
const particles =
  /^(?:들|은|는|이|가|을|를|의|에|에서|에게|께서|와|과|도|로|으로|만|까지|부터|처럼|보다|마다|이나|나|라는|이라는|라고|이라고|이다|다|였다|이었다|입니다|인|일|이며|며|하고|하는|하여|한|할|했다|하다|된|되는|되었다|됐다|고|서|써)+$/u;
const arabicPrefix = /^(?:[وف]?(?:ال|لل|بال|كال)|[وفبلك](?=\p{L}{3}))/u;
const hebrewPrefix = /^[והבלכמש](?=\p{L}{3})/u;

/** Plurals that no ending makes. */
const irregular: Readonly<Record<string, string>> = {
  men: 'man',
  women: 'woman',
  children: 'child',
  people: 'person',
  feet: 'foot',
  teeth: 'tooth',
  mice: 'mouse',
  lives: 'life',
  wives: 'wife',
  wolves: 'wolf',
};

/** Whether a word of an answer matches a word of the reference: the same value, or the same word in another form. */
export function isSameWord(wanted: Word, given: Word): boolean {
  if (wanted.value !== undefined || given.value !== undefined) return wanted.value === given.value;
  if (wanted.text === given.text) return true;
  if (wanted.month !== undefined || given.month !== undefined) return wanted.month === given.month;
  return isForm(wanted.text, given.text, wanted.isName && given.isName);
}

function isForm(left: string, right: string, areNames: boolean): boolean {
  if (/\p{Script=Hangul}/u.test(left)) return isWithParticle(left, right) || isWithParticle(right, left);
  if (/\p{Script=Arabic}/u.test(left)) return left.replace(arabicPrefix, '') === right.replace(arabicPrefix, '');
  if (/\p{Script=Hebrew}/u.test(left)) return left.replace(hebrewPrefix, '') === right.replace(hebrewPrefix, '');
  if (isUnspaced(left) || /\d/u.test(left + right)) return false;
  const [one, other] = [spellingOf(left), spellingOf(right)];
  if (one === other) return true;
  return /^[a-z]+$/u.test(one) ? isLatinForm(one, other, areNames) || isSlip(one, other) : isInflected(one, other);
}

const isWithParticle = (word: string, longer: string): boolean =>
  longer.startsWith(word) && particles.test(longer.slice(word.length));

/** British and American spelling as one. */
const spellingOf = (word: string): string =>
  word.length < 5
    ? (irregular[word] ?? word)
    : (irregular[word] ?? word)
        .replace(/(?<!^)[ao]e/u, 'e')
        .replace(/our(?=$|s|ed|ing|ite|able)/u, 'or')
        .replace(/(?<=[bct])re$/u, 'er')
        .replace(/mme$/u, 'm');

const shortestStem = 4;

function isLatinForm(left: string, right: string, areNames: boolean): boolean {
  const known = areNames ? nameEndings : endings;
  const longest = Math.max(left.length, right.length);
  const least = Math.min(Math.max(shortestStem, Math.ceil(longest / 2)), Math.min(left.length, right.length));
  if (least < 3) return false;
  for (let stem = sharedStart(left, right); stem >= least; stem -= 1) {
    if (known.has(left.slice(stem)) && known.has(right.slice(stem))) return true;
  }
  return false;
}

/** In the other languages with cases an ending has up to three letters; in Russian and Greek the first is a vowel. */
function isInflected(left: string, right: string): boolean {
  const isCased = /^[\p{Script=Cyrillic}\p{Script=Greek}]+$/u.test(left);
  const shared = sharedStart(left, right);
  const least = Math.max(3, Math.ceil(Math.max(left.length, right.length) / 2));
  if (!isCased) return shared >= Math.max(shortestStem, least) && Math.max(left.length, right.length) - shared <= 3;
  for (let stem = shared; stem >= least; stem -= 1) {
    const longest = stem >= shortestStem ? 3 : 2;
    const rests = [left.slice(stem), right.slice(stem)];
    if (rests.every((rest) => rest === '' || (rest.length <= longest && vowel.test(rest)))) return true;
  }
  return false;
}

const vowel = /^[аеиоуыэюяёіїєьъαεηιουω]/u;

/** One letter amiss in a long word. */
const isSlip = (left: string, right: string): boolean =>
  Math.min(left.length, right.length) >= 8 && left[0] === right[0] && distance(left, right) === 1;

function sharedStart(left: string, right: string): number {
  let length = 0;
  while (length < left.length && left[length] === right[length]) length += 1;
  return length;
}
