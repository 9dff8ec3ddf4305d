import { describe, expect, it } from 'vitest';
import { codeBlock, summaryOf } from './markdown.js';

describe('summaryOf', () => {
  it('keeps a short line', () => expect(summaryOf('doc-7 · self-qa')).toBe('doc-7 · self-qa'));
  it('joins lines', () => expect(summaryOf('a\n\nb')).toBe('a b'));
  it('cuts at 200 bytes and through no character', () => {
    const cut = summaryOf('é'.repeat(300));
    expect(cut).toBe('é'.repeat(100));
    expect(summaryOf('😀'.repeat(300))).toBe('😀'.repeat(50));
  });
});

describe('codeBlock', () => {
  it('cannot be closed by its content', () => {
    expect(codeBlock('a')).toBe('```\na\n```');
    expect(codeBlock('a ```` b')).toBe('`````\na ```` b\n`````');
  });
});
