import { describe, expect, it } from 'vitest';
import { code } from './markdown.js';

describe('code', () => {
  it.each([
    ['plain', '`plain`'],
    ['[click](http://evil) **bold**', '`[click](http://evil) **bold**`'],
    ['``` end', '`end`'],
    ['a`b|c\nd', '`a b c d`'],
    ['\u001b[31mred', '`\\u{1b}[31mred`'],
    ['', '` `'],
  ])('renders nothing of %j', (text, expected) => expect(code(text)).toBe(expected));
  it('is bounded', () => expect(code('x'.repeat(500))).toHaveLength(202));
});
