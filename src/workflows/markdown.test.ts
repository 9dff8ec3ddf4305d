import { describe, expect, it } from 'vitest';
import { code, codeBlock, shellWord, summaryOf } from './markdown.js';

describe('summaryOf', () => {
  it('keeps a short line', () => expect(summaryOf('doc-7 · self-qa')).toBe('doc-7 · self-qa'));
  it('joins lines', () => expect(summaryOf('a\n\nb')).toBe('a b'));
  it('cuts at 200 bytes and through no character', () => {
    const cut = summaryOf('é'.repeat(300));
    expect(cut).toBe('é'.repeat(100));
    expect(summaryOf('😀'.repeat(300))).toBe('😀'.repeat(50));
  });
});

describe('code', () => {
  it.each([
    ['plain', '`plain`'],
    ['[click](http://evil) **bold**', '`[click](http://evil) **bold**`'],
    ['``` end', '`end`'],
    ['a`b|c\nd', '`a b c d`'],
    ['', '` `'],
  ])('renders nothing of %j', (text, expected) => expect(code(text)).toBe(expected));
  it('is bounded', () => expect(code('x'.repeat(500))).toHaveLength(202));
});

describe('codeBlock', () => {
  it('cannot be closed by its content', () => {
    expect(codeBlock('a')).toBe('```\na\n```');
    expect(codeBlock('a ```` b')).toBe('`````\na ```` b\n`````');
  });
});

describe('shellWord', () => {
  it('quotes only where it must', () => {
    expect(shellWord('demo.first.r0001')).toBe('demo.first.r0001');
    expect(shellWord(`it's {"a":1}`)).toBe(`'it'\\''s {"a":1}'`);
  });
});
