import type { List, ListItem, Nodes, Parents, Root, Table } from 'mdast';
import { cleanLine, cleanText, isVisible } from '../../domains/reading/text.js';
import type { Block, Omissions } from '../document.js';

const children = (node: Parents): Nodes[] => node.children;

/**
 * The blocks of a Markdown tree: links and images as their texts, tables as a line per row, lists as lines.
 *
 * @param fromHtml the blocks of HTML inside of Markdown
 */
export function blocksOf(tree: Root, omitted: Omissions, fromHtml: (html: string) => Block[]): Block[] {
  const visit = (node: Nodes): Block[] => {
    switch (node.type) {
      case 'heading':
        return block({ kind: 'heading', depth: node.depth, text: cleanLine(inlineText(node, omitted)) });
      case 'paragraph':
        return block({ kind: 'paragraph', text: inlineText(node, omitted) });
      case 'code':
        return block({ kind: 'code', text: node.value });
      case 'table':
        return block({ kind: 'table', text: tableText(node, omitted) });
      case 'list':
        return block({ kind: 'list', text: listText(node, omitted, fromHtml, '') });
      case 'html':
        return fromHtml(node.value);
      case 'yaml':
        omitted.add('front matter');
        return [];
      default:
        if ('children' in node) return children(node).flatMap(visit);
        if ('value' in node) return block({ kind: 'paragraph', text: node.value });
        return [];
    }
  };
  return children(tree).flatMap(visit);
}

function block(one: Block): Block[] {
  const text = cleanText(one.text);
  return isVisible(text) ? [{ ...one, text }] : [];
}

/** The text of a line, without its marks; a line end inside a paragraph is a space. */
function inlineText(node: Nodes, omitted: Omissions): string {
  if (node.type === 'break') return '\n';
  if (node.type === 'image' || node.type === 'imageReference') {
    const text = node.alt?.trim() ?? '';
    if (text === '') omitted.add('image without a description');
    return text;
  }
  // a tag: the text between two of them is a node by itself
  if (node.type === 'html') return '';
  if ('children' in node)
    return children(node)
      .map((child) => inlineText(child, omitted))
      .join('');
  return 'value' in node ? node.value.replace(/\s*\n\s*/gu, ' ') : '';
}

/** A line per row, each cell under its column's name: `Town: Au; Houses: 7`. */
function tableText(table: Table, omitted: Omissions): string {
  const cells = table.children.map((row) => row.children.map((cell) => cleanLine(inlineText(cell, omitted))));
  // a table of HTML or Word without header cells comes with an empty head
  const [head = [], ...rows] = cells[0]?.every((cell) => cell === '') === true ? cells.slice(1) : cells;
  return rowLines(head, rows);
}

/** A line per row, each cell after its column's name; empty cells are left out. */
export const rowLines = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  rows.length === 0
    ? head.filter((cell) => cell !== '').join('; ')
    : rows
        .map((row) =>
          row
            .map((cell, i) => (cell === '' ? '' : head[i] ? `${head[i]}: ${cell}` : cell))
            .filter((cell) => cell !== '')
            .join('; '),
        )
        .filter((line) => line !== '')
        .join('\n');

function listText(list: List, omitted: Omissions, fromHtml: (html: string) => Block[], indent: string): string {
  const first = list.start ?? 1;
  const itemText = (item: ListItem, i: number): string => {
    const mark = list.ordered === true ? `${first + i}.` : '-';
    const inner = `${indent}${' '.repeat(mark.length + 1)}`;
    const lines = children(item).map((child, at) => {
      if (child.type === 'list') return listText(child, omitted, fromHtml, inner);
      const root: Root = { type: 'root', children: [child as Root['children'][number]] };
      const text = blocksOf(root, omitted, fromHtml)
        .map((one) => one.text)
        .join('\n')
        .replaceAll('\n', `\n${inner}`);
      return at === 0 ? text : `${inner}${text}`;
    });
    // an item may begin with a list
    return `${indent}${mark} ${children(item)[0]?.type === 'list' ? '\n' : ''}${lines.join('\n')}`;
  };
  return list.children.map(itemText).join('\n');
}
