import { isFiller } from './fillers.js';
import { foldText, foldWord } from './fold.js';

/** Languages whose names of units, months and powers of ten are known; further ones are read as plain words. */
const locales = 'en en-GB ar cs da de el es fi fr he hi hu id it ja ko nl pl pt ro ru sv th tr uk vi zh'.split(' ');
const units =
  'acre celsius centimeter day degree fahrenheit foot gallon gram hectare hour inch kilogram kilometer liter meter mile milliliter millimeter minute month ounce percent pound second week yard year'.split(
    ' ',
  );
/** Two currencies of one name each: what their names share is the word, what differs is the country. */
const currencies = {
  dollar: ['USD', 'AUD'],
  euro: ['EUR', 'EUR'],
  pound: ['GBP', 'EGP'],
  rupee: ['INR', 'PKR'],
  ruble: ['RUB', 'BYN'],
} as const;
/** Plural forms of every language are among these. */
const counts = [1, 2, 3, 5, 11];

const displays = ['long', 'short'] as const;

/** What no formatter has: symbols, and the counters of years, months and days in Chinese, Japanese and Korean. */
const ownUnits: Readonly<Record<string, string>> = {
  $: 'dollar',
  '€': 'euro',
  '£': 'pound',
  '¥': 'yen',
  '₹': 'rupee',
  '₽': 'ruble',
  '%': 'percent',
  '°': 'degree',
  percent: 'percent',
  yen: 'yen',
  円: 'yen',
  yuan: 'yuan',
  元: 'yuan',
  mph: 'mph',
  usd: 'dollar',
  eur: 'euro',
  gbp: 'pound',
  am: 'am',
  pm: 'pm',
  年: 'year',
  月: 'month',
  日: 'day',
  号: 'day',
  년: 'year',
  월: 'month',
  일: 'day',
  century: 'century',
  centuries: 'century',
  decade: 'decade',
  decades: 'decade',
  celsius: 'celsius',
  fahrenheit: 'fahrenheit',
  bc: 'bc',
  bce: 'bc',
  ad: 'ad',
  ce: 'ad',
};

interface Lexicon {
  /** a folded word to the unit that it names */
  units: ReadonlyMap<string, string>;
  /** a folded word to the number of the month that it names */
  months: ReadonlyMap<string, number>;
  /** a folded word to the power of ten that it names, as a factor */
  scales: ReadonlyMap<string, number>;
}

let made: Lexicon | null = null;

/** The words of many languages, from the platform's own formatters; made when first asked for. */
export const lexicon = (): Lexicon => (made ??= { units: unitsOf(), months: monthsOf(), scales: scalesOf() });

const fold = (word: string): string => foldWord(foldText(word)).replace(/[^\p{L}\p{M}%]/gu, '');

/** A word of two meanings keeps the first: English comes before the others. */
const firstOf = <T>(entries: [string, T][]): Map<string, T> =>
  new Map(entries.filter(([word]) => word !== '' && !isFiller(word)).reverse());

const partOf = (parts: Intl.NumberFormatPart[], type: string): string =>
  parts.find((part) => part.type === type)?.value ?? '';

function unitsOf(): Map<string, string> {
  const entries = Object.entries(ownUnits);
  for (const locale of locales) {
    for (const unit of units) {
      for (const unitDisplay of displays) {
        const format = new Intl.NumberFormat(locale, { style: 'unit', unit, unitDisplay });
        for (const count of counts) entries.push([fold(partOf(format.formatToParts(count), 'unit')), unit]);
      }
    }
    for (const [name, [one, other]] of Object.entries(currencies)) {
      for (const count of counts) {
        const others = currencyWords(locale, other, count);
        const shared = currencyWords(locale, one, count).filter((word) => others.includes(word));
        entries.push(...shared.map((word): [string, string] => [word, name]));
      }
    }
  }
  return firstOf(entries);
}

function currencyWords(locale: string, currency: string, count: number): string[] {
  const format = new Intl.NumberFormat(locale, { style: 'currency', currency, currencyDisplay: 'name' });
  const words = partOf(format.formatToParts(count), 'currency').split(/[\s-]+/u);
  return words.map(fold).filter((word) => word.length > 2);
}

function monthsOf(): Map<string, number> {
  const entries: [string, number][] = [];
  for (const locale of locales) {
    for (const month of displays) {
      // in many languages a month has another form next to a day
      for (const day of ['numeric', undefined] as const) {
        const format = new Intl.DateTimeFormat(locale, { month, timeZone: 'UTC', ...(day && { day }) });
        for (let number = 1; number <= 12; number += 1) {
          const parts = format.formatToParts(Date.UTC(2001, number - 1, 15));
          const name = parts.find(({ type }) => type === 'month')?.value ?? '';
          // some languages number their months
          if (!/\d/u.test(name)) entries.push([fold(name), number]);
        }
      }
    }
  }
  return firstOf(entries);
}

function scalesOf(): Map<string, number> {
  const entries: [string, number][] = Object.entries({ 万: 1e4, 萬: 1e4, 亿: 1e8, 億: 1e8 });
  for (const { locale, compactDisplay } of locales.flatMap((locale) =>
    displays.map((compactDisplay) => ({ locale, compactDisplay })),
  )) {
    const format = new Intl.NumberFormat(locale, {
      notation: 'compact',
      compactDisplay,
      numberingSystem: 'latn',
      useGrouping: false,
    });
    for (let power = 3; power <= 12; power += 1) {
      for (const count of counts) {
        const parts = format.formatToParts(count * 10 ** power);
        const factor = (count * 10 ** power) / Number(partOf(parts, 'integer') || Number.NaN);
        const word = partOf(parts, 'compact').replace(/^de /u, '');
        // a single letter is as often a unit
        const isWhole = partOf(parts, 'fraction') === '' && Number.isFinite(factor) && factor > 1;
        if (isWhole && !word.includes(' ') && !/^[a-z]$/iu.test(word)) entries.push([fold(word), factor]);
      }
    }
  }
  return firstOf(entries);
}
