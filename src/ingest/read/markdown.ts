import type { Root } from 'mdast';
import remarkFrontmatter from 'remark-frontmatter';
import remarkGfm from 'remark-gfm';
import remarkParse from 'remark-parse';
import { unified } from 'unified';
import { parse as parseYaml } from 'yaml';
import { isObject, textOf } from '../../domains/reading/fields.js';
import { cleanLine } from '../../domains/reading/text.js';
import { Omissions, wholeFile, type FileReading } from '../document.js';
import { htmlBlocks } from './html.js';
import { blocksOf } from './tree.js';

const parser = unified().use(remarkParse).use(remarkGfm).use(remarkFrontmatter, ['yaml', 'toml']).freeze();

/** Reads GitHub's Markdown. The front matter gives the title; what else it holds is omitted. */
export function readMarkdown(text: string): FileReading {
  const tree = parser.parse(text);
  const omitted = new Omissions();
  const warnings: string[] = [];
  const title = titleOf(tree, warnings);
  const blocks = blocksOf(tree, omitted, (html) => htmlBlocks(html, omitted));
  return { ok: true, documents: [wholeFile(title, blocks)], omitted: omitted.list(), warnings };
}

function titleOf(tree: Root, warnings: string[]): string | null {
  const [first] = tree.children;
  if (first?.type !== 'yaml') return null;
  try {
    const fields: unknown = parseYaml(first.value);
    const title = isObject(fields) ? cleanLine(textOf(fields, 'title') ?? '') : '';
    return title === '' ? null : title;
  } catch {
    warnings.push('its front matter is not YAML, so its title is not read');
    return null;
  }
}
