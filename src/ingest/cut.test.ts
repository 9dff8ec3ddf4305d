import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutDocument } from './cut.js';
import { wholeFile, type Block } from './document.js';
import { readMarkdown } from './read/markdown.js';

const limits = { maxTokens: 64, headingDepth: 3 };

const cut = (markdown: string, more: Partial<typeof limits> = {}) => {
  const reading = readMarkdown(markdown);
  const [document] = reading.ok ? reading.documents : [];
  if (document === undefined) throw new Error('no document');
  return cutDocument(document, 'guide.md', { ...limits, ...more });
};
const idsOf = (markdown: string, more?: Partial<typeof limits>): string[] =>
  cut(markdown, more).passages.map(({ passageId }) => passageId);

const headings = fc.record({
  kind: fc.constant('heading' as const),
  depth: fc.integer({ min: 1, max: 6 }),
  text: fc.constantFrom('Install', 'Use', 'Linux', 'Über uns', '!?', '第一章'),
});
const texts = fc.record({
  kind: fc.constantFrom('paragraph' as const, 'code' as const, 'table' as const),
  text: fc.lorem({ mode: 'sentences', maxCount: 8 }),
});
const documents = fc.array(fc.oneof(headings, texts), { maxLength: 14 });
const cutBlocks = (blocks: Block[]) => cutDocument(wholeFile('Guide', blocks), 'guide.md', limits);

describe('cutDocument', () => {
  it('keeps every character in a passage, or names what it omits', () => {
    fc.assert(
      fc.property(documents, (blocks) => {
        const { passages, omitted } = cutBlocks(blocks);
        const bare = (text: string): string => text.replace(/\s/gu, '');
        const inSections = blocks.filter((block) => block.kind !== 'heading' || block.depth > limits.headingDepth);
        expect(bare(passages.map(({ text }) => text).join(''))).toBe(bare(inSections.map(({ text }) => text).join('')));
        const titles = passages.map(({ title }) => title).join('\n');
        const unseen = blocks.filter(
          (block) => block.kind === 'heading' && block.depth <= limits.headingDepth && !titles.includes(block.text),
        );
        if (unseen.length > 0) expect(omitted.length).toBeGreaterThan(0);
      }),
    );
  });

  it('gives each passage one id', () => {
    fc.assert(
      fc.property(documents, (blocks) => {
        const ids = cutBlocks(blocks).passages.map(({ passageId }) => passageId);
        expect(new Set(ids).size).toBe(ids.length);
      }),
    );
  });

  it('changes no other passage when an unrelated section is added', () => {
    const section: Block[] = [
      { kind: 'heading', depth: 1, text: 'Wholly new' },
      { kind: 'paragraph', text: 'Something else.' },
    ];
    // a first heading that is the highest gives the title
    const chapters = fc.array(
      documents.map((blocks): Block[] => [{ kind: 'heading', depth: 1, text: 'Use' }, ...blocks]),
      {
        minLength: 2,
        maxLength: 4,
      },
    );
    fc.assert(
      fc.property(chapters, fc.nat(4), (all, at) => {
        const before = cutBlocks(all.flat()).passages;
        const after = cutBlocks([...all.slice(0, at), section, ...all.slice(at)].flat()).passages;
        expect(after.filter(({ title }) => !title.includes('Wholly new'))).toEqual(before);
      }),
    );
  });

  it('names passages by the headings above them', () => {
    const { title, passages } = cut('# Guide\n\nHello.\n\n## Set up\n\n### Linux\n\nRun it.\n\n## Use\n\nClick.\n');
    expect(title).toBe('Guide');
    expect(passages.map(({ passageId, title: one, text }) => [passageId, one, text])).toEqual([
      ['guide.md', 'Guide', 'Hello.'],
      ['guide.md#set-up/linux', 'Guide › Set up › Linux', 'Run it.'],
      ['guide.md#use', 'Guide › Use', 'Click.'],
    ]);
  });

  it('numbers equal headings and the parts of a long section', () => {
    expect(idsOf('# G\n\n## Use\n\nA.\n\n## Use\n\nB.\n\n## Other\n\n### Use\n\nC.')).toEqual([
      'guide.md#use',
      'guide.md#use~2',
      'guide.md#other/use',
    ]);
    const { passages } = cut(`# G\n\n## Use\n\n${'The keeper signs each line of it. '.repeat(20)}`);
    expect(passages.map(({ passageId }) => passageId)).toEqual(['guide.md#use', 'guide.md#use:2', 'guide.md#use:3']);
    expect(passages[1]?.title).toBe('G › Use, part 2');
  });

  it('keeps headings below the depth in the text', () => {
    expect(cut('# G\n\n## Use\n\n### Deep\n\nA.', { headingDepth: 2 }).passages.map(({ text }) => text)).toEqual([
      'Deep\n\nA.',
    ]);
  });

  it('takes the title of the front matter, else the highest heading, else the name of the file', () => {
    const titleOf = (markdown: string): string => cut(markdown).title;
    expect(titleOf('---\ntitle: Front\n---\n# Head\n\nx')).toBe('Front');
    expect(titleOf('Intro.\n\n# Head\n\nx')).toBe('Head');
    expect(titleOf('# One\n\nx\n\n# Two\n\nx')).toBe('guide');
    expect(cut('---\ntitle: Front\n---\n# Head\n\nx').omitted).toEqual([
      { what: 'first heading, replaced by the stated title', count: 1 },
    ]);
  });

  it('names a heading without text', () => {
    expect(cut('# G\n\nx\n\n## Empty\n\n## Use\n\ny').omitted).toEqual([
      { what: 'heading without text below it', count: 1 },
    ]);
  });
});
