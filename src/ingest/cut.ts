import { slug } from 'github-slugger';
import { textDigest } from '../contract/index.js';
import { readableTitle } from '../domains/reading/titles.js';
import type { Block, Omission, ReadDocument } from './document.js';
import { Omissions } from './document.js';
import type { CutLimits, Passage } from '../contract/index.js';
import { splitText } from './split.js';

/** Between the titles of a page and of its sections. */
const titleSeparator = ' › ';

export interface CutDocument {
  title: string;
  passages: Passage[];
  omitted: Omission[];
}

interface Section {
  /** headings from below the document's title down to this one */
  headings: string[];
  /** from 1, among sections with the same headings */
  occurrence: number;
  text: string[];
}

/**
 * Cuts a document along its headings. A passage's id is made of the path and the headings above it (`guide.md#setup/linux`), so
 * a section that is added elsewhere changes no other passage. Sections with equal headings are numbered (`~2`), and so are the
 * parts of a section that is longer than the limit (`:2`).
 */
export function cutDocument(document: ReadDocument, path: string, { maxTokens, headingDepth }: CutLimits): CutDocument {
  const omitted = new Omissions();
  const { title, blocks } = titled(document, path, omitted);
  const root = document.key === null ? [] : [document.key];
  const passages = sectionsOf(blocks, headingDepth).flatMap(({ headings, occurrence, text }): Passage[] => {
    const parts = splitText(text.join('\n\n'), maxTokens);
    if (parts.length === 0 && headings.length > 0) omitted.add('heading without text below it');
    const anchor = [...root, ...headings.map(slugOf)].join('/') + (occurrence === 1 ? '' : `~${occurrence}`);
    const sectionTitle = [title, ...headings].join(titleSeparator) + (occurrence === 1 ? '' : ` (${occurrence})`);
    return parts.map((part, i) => ({
      passageId: (anchor === '' ? path : `${path}#${anchor}`) + (i === 0 ? '' : `:${i + 1}`),
      path,
      title: i === 0 ? sectionTitle : `${sectionTitle}, part ${i + 1}`,
      text: part,
    }));
  });
  return { title, passages, omitted: omitted.list() };
}

/** The document's title, and its blocks without the heading that gives it: the first one, if no other is as high as it. */
function titled({ title, blocks }: ReadDocument, path: string, omitted: Omissions): { title: string; blocks: Block[] } {
  const first = blocks.find(({ kind }) => kind === 'heading');
  const isTitle =
    first?.kind === 'heading' &&
    first.depth === 1 &&
    blocks.filter((block) => block.kind === 'heading' && block.depth === 1).length === 1;
  if (!isTitle) return { title: title ?? stemTitle(path), blocks };
  if (title !== null && title !== first.text) omitted.add('first heading, replaced by the stated title');
  return { title: title ?? first.text, blocks: blocks.filter((block) => block !== first) };
}

const stemTitle = (path: string): string => {
  const name = path.replace(/\/$/u, '').replace(/^.*[/\\]/u, '');
  return readableTitle(name.replace(/\.[a-z0-9]{1,8}$/iu, '').replaceAll('-', ' '), '') || name || path;
};

function sectionsOf(blocks: Block[], headingDepth: number): Section[] {
  const stack: { depth: number; text: string }[] = [];
  const occurrences = new Map<string, number>();
  const begin = (): Section => {
    const headings = stack.map(({ text }) => text);
    const key = headings.map(slugOf).join('/');
    const occurrence = (occurrences.get(key) ?? 0) + 1;
    occurrences.set(key, occurrence);
    return { headings, occurrence, text: [] };
  };
  const sections = [begin()];
  for (const block of blocks) {
    if (block.kind === 'heading' && block.depth <= headingDepth) {
      while ((stack.at(-1)?.depth ?? 0) >= block.depth) stack.pop();
      stack.push({ depth: block.depth, text: block.text });
      sections.push(begin());
    } else sections.at(-1)?.text.push(block.text);
  }
  return sections;
}

/** A heading without letters or digits gets an id from its digest. */
const slugOf = (heading: string): string => slug(heading) || textDigest(heading).slice(0, 8);
