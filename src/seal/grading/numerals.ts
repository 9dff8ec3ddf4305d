const small =
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen'.split(
    ' ',
  );
const smallOrdinals =
  'zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth'.split(
    ' ',
  );
const tens = 'twenty thirty forty fifty sixty seventy eighty ninety'.split(' ');

/** Two to twelve in other languages; "-" stands for a word that means something else in one of them. */
const spelledElsewhere = [
  'zwei drei vier funf sechs sieben acht neun zehn elf zwolf',
  'dos tres cuatro cinco seis siete ocho nueve diez - doce',
  'deux trois quatre cinq six - huit neuf dix onze douze',
  '- tre quattro cinque - sette - nove dieci undici dodici',
  'dois - quatro - - sete oito - dez - doze',
  'twee drie - vijf zes zeven - negen tien - twaalf',
  'doi trei patru - sase sapte - noua zece unsprezece doisprezece',
  'iki - dort bes alti yedi sekiz dokuz - onbir oniki',
  'два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать',
  'δυο τρια τεσσερα πεντε εξι επτα οκτω εννεα δεκα εντεκα δωδεκα',
  '- तीन चार पाँच छह सात आठ नौ दस ग्यारह बारह',
  'اثنان ثلاثة اربعة خمسة ستة سبعة ثمانية تسعة عشرة - -',
].flatMap((words) => words.split(' ').flatMap((word, i): [string, number][] => (word === '-' ? [] : [[word, i + 2]])));

/** Words below a hundred, "twenty" and "twentieth" alike: of what kind a number is, its neighbours say. */
export const spelled: ReadonlyMap<string, number> = new Map([
  ...spelledElsewhere,
  ...small.map((word, value): [string, number] => [word, value]),
  ...smallOrdinals.map((word, value): [string, number] => [word, value]),
  ...tens.flatMap((word, i): [string, number][] => [
    [word, (i + 2) * 10],
    [word.replace(/y$/u, 'ieth'), (i + 2) * 10],
  ]),
]);

const romanDigits: Readonly<Record<string, number>> = { I: 1, V: 5, X: 10, L: 50 };

/** A Roman numeral as kings, wars and chapters have them, below ninety: CD, DC, MC and the like are mostly no numbers. */
export function roman(text: string): number | null {
  if (!/^(?=[IVXL])(?:XL|L?X{0,3})(?:IX|IV|V?I{0,3})$/u.test(text)) return null;
  const values = Array.from(text, (digit) => romanDigits[digit] ?? 0);
  return values.reduce((sum, value, i) => sum + (value < (values[i + 1] ?? 0) ? -value : value), 0);
}

const hanDigits = new Map(
  ['〇零', '一壹', '二两兩贰', '三叁', '四肆', '五伍', '六陆', '七柒', '八捌', '九玖'].flatMap((digits, value) =>
    Array.from(digits, (digit): [string, number] => [digit, value]),
  ),
);
const hanPowers: Readonly<Record<string, number>> = { 十: 10, 百: 100, 千: 1000, 万: 1e4, 萬: 1e4, 亿: 1e8, 億: 1e8 };

/** Finds a number in Han digits: two of them at least, or one before a counter. */
export const hanNumber =
  /[〇零一二两兩三四五六七八九十百千万萬亿億]{2,}|(?<=第)[一二三四五六七八九十]|[一二两兩三四五六七八九十](?=[年月日号號位个個名人岁歲届屆世次座层層])/gu;

/** 三十二万 by powers, 一九八七 digit by digit; null where the parts make no number. */
export function hanValue(text: string): number | null {
  const digits = Array.from(text);
  if (digits.every((digit) => hanDigits.has(digit))) {
    return digits.reduce((value, digit) => value * 10 + (hanDigits.get(digit) ?? 0), 0);
  }
  let [total, section, digit] = [0, 0, -1];
  for (const char of digits) {
    const value = hanDigits.get(char);
    const power = hanPowers[char] ?? 1;
    if (value !== undefined) {
      if (digit > 0) return null;
      digit = value;
    } else if (power >= 1e4) {
      const before = section + Math.max(digit, 0);
      if (before === 0) return null;
      total += before * power;
      [section, digit] = [0, -1];
    } else {
      if (digit < 0 && power > 10) return null;
      section += (digit < 0 ? 1 : digit) * power;
      digit = -1;
    }
  }
  return total + section + Math.max(digit, 0);
}
