import { describe, expect, it } from 'vitest';
import { readWords } from './words.js';

const textsOf = (text: string): string[] => readWords(text).map(({ text: word }) => word);
const numbersOf = (text: string): number[] => readWords(text).flatMap(({ value }) => value ?? []);
const unitsOf = (text: string): string[] => readWords(text).flatMap(({ unit }) => unit ?? []);

describe('readWords', () => {
  it.each([
    ['The  Quick, brown fox!', ['the', 'quick', 'brown', 'fox']],
    ['well-known', ['well', 'known']],
    ["O'Neill's l'eau don't Panthers'ın", ['oneill', 'eau', 'dont', 'panthers']],
    ['U.S. C# C++ AT&amp;T', ['us', 'c#', 'c++', 'at', 't']],
    ['Al­ba ‏Ｂay​', ['alba', 'bay']],
    ['STRASSE Straße', ['strasse', 'strasse']],
    ['cafe\u0301 Café', ['cafe', 'cafe']],
    ['İstanbul Σίσυφος', ['istanbul', 'σισυφοσ']],
    ['مُدَرِّس', ['مدرس']],
    ['हिन्दी', ['हिन्दी']],
    ['青石图书馆，由林小雨设计', ['青石', '图书', '馆', '由', '林', '小雨', '设计']],
    ['ตลาดน้ำบางฟ้า', ['ตลาด', 'น้ำ', 'บาง', 'ฟ้า']],
    ['서울에서 열렸다', ['서울에서', '열렸다']],
    ['…', []],
  ])('%s', (text, words) => {
    expect(textsOf(text)).toEqual(words);
  });

  it.each([
    ['1,000 1000 1.000 1 000 1,00,000', [1000, 1000, 1000, 1000, 100_000]],
    ['10,5 2.7 3.14159', [10.5, 2.7, 3.14159]],
    ['−5 and -5, 5-3, 1918–1938, minus five', [-5, -5, 5, 3, 1918, 1938, -5]],
    ['3rd third twenty-first 21st', [3, 3, 21, 21]],
    ['15 million, fifteen million, a million, 1.5 billion', [15e6, 15e6, 1e6, 1.5e9]],
    ['two hundred and five thousand', [205_000]],
    ['15 Millionen, 15 миллионов, 15 млн, 32万, 三十二万, 3億', [15e6, 15e6, 15e6, 320_000, 320_000, 3e8]],
    ['١٩٧٢ १९७२ ๑๙๗๒ １９７２', [1972, 1972, 1972, 1972]],
    ['½ 6½ 10²', [0.5, 6.5, 10, 2]],
    ['Henry VIII, World War II, Super Bowl XL', [8, 2, 40]],
    ['VIII CD civil MIX. Newton. I think', []],
    ['第三 1987年5月3日', [3, 1987, 5, 3]],
    ['1990s 12km F16', [1990, 12, 16]],
    ['8:00 pm, 10:30', [8, 10, 30]],
    ['2013–14, 1999-00', [2013, 2014, 1999, 0]],
    ['99999999999999999999', []],
  ])('numbers of %s', (text, numbers) => {
    expect(numbersOf(text)).toEqual(numbers);
  });

  it.each([
    ['10km 10 km 10 kilometres 10 Kilometer 10公里', Array<string>(5).fill('kilometer')],
    ['5% 5 percent 5 per cent 5 Prozent', Array<string>(4).fill('percent')],
    ['€5 5 euros', ['euro', 'euro']],
    ['20 °C 20 degrees Celsius', ['celsius', 'celsius']],
    ['190 BC 190 BCE', ['bc', 'bc']],
    ['5 km² 5 sq km 5 square kilometres', Array<string>(3).fill('square kilometer')],
    ['a km, in May, 10 to 15', []],
  ])('units of %s', (text, units) => {
    expect(unitsOf(text)).toEqual(units);
  });

  it('knows months beside a number alone, in several languages', () => {
    const monthsOf = (text: string) => readWords(text).flatMap(({ month }) => month ?? []);
    expect(monthsOf('3 May 1960, 3. Mai, 3 мая, 3 de mayo, ٣ مايو')).toEqual([5, 5, 5, 5, 5]);
    expect(monthsOf('It may rain')).toEqual([]);
    expect(textsOf('1960-05-03')).toEqual(['3', 'may', '1960']);
  });
});
