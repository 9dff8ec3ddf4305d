import { expect, it } from 'vitest';
import { readableTitle, titleOf } from './titles.js';

it.each([
  ['Super_Bowl_50', 'Super Bowl 50'],
  ['Beyonc%C3%A9_Knowles', 'Beyoncé Knowles'],
  ['%E6%B2%B3%E5%8F%A3', '河口'],
  ['100%_cotton', '100% cotton'],
  ['Rates of 5%20 and more', 'Rates of 5%20 and more'],
  [' two\n lines ', 'two lines'],
])('reads the title %j as %j', (title, readable) => {
  expect(readableTitle(title, 'A text.')).toBe(readable);
});

it('keeps the underscores of a name that the text writes so', () => {
  expect(readableTitle('read_file', 'Call read_file first.')).toBe('read_file');
});

it.each([
  ['# The Harbour\n\nA ferry crosses it.', [], 'The Harbour'],
  ['The Harbour\nA ferry crosses it.', [], 'The Harbour'],
  ['The Harbour Ferry has crossed the Lunn since 1904.', [], 'The Harbour Ferry has crossed the'],
  // questions are put with the title, so that it must not hold an answer
  ['Pell Bridge was designed by Ada Quint.', ['ada quint'], 'Pell Bridge was designed by'],
  ['# Ada Quint\nShe designed Pell Bridge.', ['Ada Quint'], 'the file'],
  ['1911 is the year.', ['1911'], 'the file'],
  ['河口市有一座图书馆。', [], '河口市有一座图书馆'],
  ['', [], 'the file'],
])('makes of %j without %j the title %j', (text, answers, title) => {
  expect(titleOf(text, answers, 'the_file')).toBe(title);
});
