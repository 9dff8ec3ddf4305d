import { expect, it } from 'vitest';
import { shellWord } from './shell-word.js';

it('quotes only where it must', () => {
  expect(shellWord('demo.first.r0001')).toBe('demo.first.r0001');
  expect(shellWord(`it's {"a":1}`)).toBe(`'it'\\''s {"a":1}'`);
  expect(shellWord('x$(touch y);z')).toBe("'x$(touch y);z'");
  expect(shellWord('')).toBe("''");
});
