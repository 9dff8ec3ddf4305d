import type { Element, ElementContent, Nodes, Root, RootContent } from 'hast';
import rehypeParse from 'rehype-parse';
import rehypeRemark from 'rehype-remark';
import { unified } from 'unified';
import { cleanLine } from '../../domains/reading/text.js';
import { Omissions, wholeFile, type Block, type FileReading } from '../document.js';
import { blocksOf } from './tree.js';

const parser = unified().use(rehypeParse).freeze();
const fragmentParser = unified().use(rehypeParse, { fragment: true }).freeze();
const toMarkdown = unified().use(rehypeRemark).freeze();

/** What a page has around its text, in words. */
const chrome: Partial<Record<string, string>> = {
  nav: 'navigation',
  aside: 'aside',
  footer: 'footer',
  form: 'form',
  button: 'button',
  iframe: 'embedded page',
  svg: 'drawing',
};
const invisible = ['script', 'style', 'template', 'noscript', 'head'];

/** Reads the main part of a page: `main`, else the only `article`, else the body without what is around the text. */
export function readHtml(text: string): FileReading {
  const tree = parser.parse(text);
  const omitted = new Omissions();
  const articles = elements(tree, 'article');
  const main = elements(tree, 'main')[0] ?? (articles.length === 1 ? articles[0] : undefined);
  if (main !== undefined) omitted.add('page around the main part');
  const blocks = treeBlocks({ type: 'root', children: main === undefined ? tree.children : [main] }, omitted);
  const stated = elements(tree, 'title')[0];
  const hasHeading = blocks.some((block) => block.kind === 'heading' && block.depth === 1);
  const title = hasHeading || stated === undefined ? '' : cleanLine(contentOf(stated));
  return {
    ok: true,
    documents: [wholeFile(title === '' ? null : title, blocks)],
    omitted: omitted.list(),
    warnings: [],
  };
}

/** The blocks of a piece of HTML. */
export const htmlBlocks = (html: string, omitted: Omissions): Block[] =>
  treeBlocks(fragmentParser.parse(html), omitted);

function treeBlocks(tree: Root, omitted: Omissions): Block[] {
  const kept: Root = { type: 'root', children: tree.children.flatMap((node) => withoutChrome(node, omitted)) };
  const markdown = toMarkdown.runSync(kept);
  return blocksOf(markdown, omitted, () => []);
}

function withoutChrome<N extends RootContent>(node: N, omitted: Omissions): N[] {
  if (node.type === 'comment') omitted.add('comment');
  if (node.type !== 'element') return node.type === 'comment' ? [] : [node];
  if (invisible.includes(node.tagName)) return [];
  const around = chrome[node.tagName] ?? (isHidden(node) ? 'hidden part' : undefined);
  if (around !== undefined) {
    omitted.add(around);
    return [];
  }
  const inner = node.children.flatMap((child: ElementContent) => withoutChrome(child, omitted));
  return [{ ...node, children: inner }];
}

const isHidden = ({ properties }: Element): boolean =>
  properties['hidden'] === true || properties['hidden'] === '' || properties['ariaHidden'] === 'true';

function elements(node: Nodes, tagName: string): Element[] {
  const own = node.type === 'element' && node.tagName === tagName ? [node] : [];
  return 'children' in node ? [...own, ...node.children.flatMap((child) => elements(child, tagName))] : own;
}

const contentOf = (node: Nodes): string =>
  node.type === 'text' ? node.value : 'children' in node ? node.children.map(contentOf).join('') : '';
