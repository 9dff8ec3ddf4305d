import { describe, expect, it } from 'vitest';
import { makeDocx, makePdf } from '../../../tests/support/made-files.js';
import type { Block, FileReading } from '../document.js';
import { readContent, type FileContent } from './index.js';

type TextKind = Extract<FileContent, { text: string }>['kind'];
type BinaryKind = Extract<FileContent, { bytes: Uint8Array }>['kind'];

const readText = (kind: TextKind, text: string, file = 'file') => readContent({ kind, text }, file);
const readBytes = (kind: BinaryKind, bytes: Uint8Array) => readContent({ kind, bytes }, 'file');

function blocksOf(reading: FileReading): Block[] {
  if (!reading.ok) throw new Error(reading.problem.what);
  return reading.documents.flatMap(({ blocks }) => blocks);
}
const textsOf = (reading: FileReading): string[] => blocksOf(reading).map(({ text }) => text);

describe('Markdown', () => {
  it('keeps text and code, and reduces links and images to their text', async () => {
    const reading = await readText(
      'markdown',
      '---\ntitle: T\ntags: [a]\n---\n# H *e*\n\nSee [the page](http://x) and `code`,\nwrapped. ![A map](m.png) ![](n.png)\n\n```js\nlet a;\n\nlet b;\n```\n\n> Quote.\n\n[^1]: Foot.\n',
    );
    expect(blocksOf(reading)).toEqual([
      { kind: 'heading', depth: 1, text: 'H e' },
      { kind: 'paragraph', text: 'See the page and code, wrapped. A map' },
      { kind: 'code', text: 'let a;\n\nlet b;' },
      { kind: 'paragraph', text: 'Quote.' },
      { kind: 'paragraph', text: 'Foot.' },
    ]);
    expect(reading).toMatchObject({
      documents: [{ title: 'T' }],
      omitted: [
        { what: 'front matter', count: 1 },
        { what: 'image without a description', count: 1 },
      ],
    });
  });

  it('writes a table as a line per row and a list as lines', async () => {
    const table = '| Town | Houses | |\n|-|-|-|\n| [Au](x) | 7 | |\n| Bach | | old |\n';
    const list = '1. One\n   - in one\n     - deep\n2. Two\n\n   More.\n';
    expect(textsOf(await readText('markdown', `${table}\n${list}`))).toEqual([
      'Town: Au; Houses: 7\nTown: Bach; old',
      '1. One\n   - in one\n     - deep\n2. Two\n   More.',
    ]);
  });

  it('reads HTML inside, and warns of front matter that is no YAML', async () => {
    const reading = await readText('markdown', '---\na: [\n---\n<div><p>Inside.</p><script>no()</script></div>\n');
    expect(textsOf(reading)).toEqual(['Inside.']);
    expect(reading).toMatchObject({ warnings: ['its front matter is not YAML, so its title is not read'] });
  });
});

describe('plain text', () => {
  it('joins lines that were wrapped, and no others', async () => {
    const wrapped = 'This line of a paragraph was wrapped by its editor at\nseventy characters.';
    expect(textsOf(await readText('text', `${wrapped}\r\n\r\nShort\nlines\n\n- a\n- b`))).toEqual([
      'This line of a paragraph was wrapped by its editor at seventy characters.',
      'Short\nlines',
      '- a\n- b',
    ]);
  });
});

describe('HTML', () => {
  it('reads the main part and names what it omits', async () => {
    const reading = await readText(
      'html',
      '<html><head><title>Site</title><style>x{}</style></head><body><nav>Menu</nav><main><!-- c --><p>Hi <a href="x">there</a>.</p><form>Ask</form><p hidden>Not shown</p><table><tr><th>a</th></tr><tr><td>1</td></tr></table></main><footer>Foot</footer></body></html>',
    );
    expect(textsOf(reading)).toEqual(['Hi there.', 'a: 1']);
    expect(reading).toMatchObject({
      documents: [{ title: 'Site' }],
      omitted: [
        { what: 'page around the main part', count: 1 },
        { what: 'comment', count: 1 },
        { what: 'form', count: 1 },
        { what: 'hidden part', count: 1 },
      ],
    });
  });

  it('reads the body where there is no main part', async () => {
    const reading = await readText('html', '<nav>Menu</nav><h1>Head</h1><pre><code>a\nb</code></pre>');
    expect(textsOf(reading)).toEqual(['Head', 'a\nb']);
    expect(reading).toMatchObject({ omitted: [{ what: 'navigation', count: 1 }] });
  });
});

describe('PDF', () => {
  const page = (n: number) => [
    { text: 'Handbook of Au', size: 8, y: 800 },
    { text: `Chapter ${n}`, size: 18, y: 760 },
    { text: `The bridge number ${n} is an exam-`, size: 11, y: 730 },
    { text: 'ple of stone.', size: 11, y: 716 },
    { text: 'It was built long ago.', size: 11, y: 680 },
    { text: String(n), size: 8, y: 40 },
  ];

  it('finds headings and paragraphs, and omits what repeats on pages', async () => {
    const reading = await readBytes('pdf', makePdf([1, 2, 3].map(page), 'Stated title'));
    expect(blocksOf(reading).slice(0, 4)).toEqual([
      { kind: 'heading', depth: 1, text: 'Chapter 1' },
      { kind: 'paragraph', text: 'The bridge number 1 is an example of stone.' },
      { kind: 'paragraph', text: 'It was built long ago.' },
      { kind: 'heading', depth: 1, text: 'Chapter 2' },
    ]);
    expect(reading).toMatchObject({ omitted: [{ what: 'header or footer of a page', count: 6 }] });
  });

  it.each([
    ['noText', makePdf([[], []])],
    ['damaged', new TextEncoder().encode('%PDF-1.4 nothing')],
    ['empty', new Uint8Array()],
  ])('states in words that a file is: %s', async (code, bytes) => {
    expect(await readBytes('pdf', bytes)).toMatchObject({ ok: false, problem: { code } });
  });
});

describe('DOCX', () => {
  it('reads headings by their styles, and tables', async () => {
    const reading = await readBytes(
      'docx',
      makeDocx(
        [{ style: 'Title', text: 'Au &amp; Bach' }, { style: 'heading 1', text: 'Bridges' }, { text: 'There is one.' }],
        [
          ['Town', 'Houses'],
          ['Au', '7'],
        ],
      ),
    );
    expect(reading).toMatchObject({ documents: [{ title: 'Au & Bach' }] });
    expect(blocksOf(reading)).toEqual([
      { kind: 'heading', depth: 1, text: 'Bridges' },
      { kind: 'paragraph', text: 'There is one.' },
      { kind: 'table', text: 'Town: Au; Houses: 7' },
    ]);
  });

  it('states in words that a file is none', async () => {
    for (const bytes of [Buffer.from('PK\u0003\u0004 and no more'), Buffer.from('old .doc')]) {
      expect(await readBytes('docx', bytes)).toMatchObject({ ok: false, problem: { code: 'damaged' } });
    }
  });
});

describe('tables', () => {
  it('reads rows with texts as documents', async () => {
    const reading = await readText('table', 'title;text\nAu;A village.\nBach;A brook.\n');
    expect(reading).toMatchObject({
      documents: [
        { key: 'au', title: 'Au' },
        { key: 'bach', title: 'Bach' },
      ],
    });
  });

  it('reads other tables as one document with a line per row', async () => {
    expect(textsOf(await readText('table', 'Town,Houses\nAu,7\nBach,\n'))).toEqual(['Town: Au; Houses: 7\nTown: Bach']);
  });

  it('names the row that cannot be read', async () => {
    expect(await readText('table', 'a,b\n1,"2\n', 'f.csv')).toMatchObject({
      ok: false,
      problem: { code: 'damaged', what: expect.stringMatching(/^row \d+: opens a quotation mark/) as string },
    });
  });
});

describe('JSON', () => {
  it('reads a document per line, by its id or its title', async () => {
    const reading = await readText(
      'json',
      '{"id": 7, "text": "A."}\n{"title": "Au", "content": "B."}\n{"text": "C."}\n',
    );
    expect(reading).toMatchObject({
      documents: [
        { key: '7', title: null },
        { key: 'au', title: 'Au' },
        { key: expect.stringMatching(/^[0-9a-f]{8}$/) as string },
      ],
    });
  });

  it('reads the paragraphs of SQuAD and its kin, each once, and counts the questions', async () => {
    const qas = [{ question: 'Who?', answers: [{ text: 'x' }] }];
    const paragraphs = [
      { context: 'First.', qas },
      { context: 'Second.', qas },
      { context: 'First.', qas },
    ];
    const reading = await readText('json', JSON.stringify({ data: [{ title: 'Au', paragraphs }] }));
    expect(reading).toMatchObject({
      documents: [
        { title: 'Au', sharesTitle: true },
        { title: 'Au', sharesTitle: true },
      ],
      omitted: [
        { what: 'text that was read already', count: 1 },
        { what: 'question', count: 3 },
      ],
    });
    expect(textsOf(reading)).toEqual(['First.', 'Second.']);
  });

  it('names the line that is not JSON, and a layout that it does not know', async () => {
    expect(await readText('json', '{"text": "A."}\nbroken\n', 'f.jsonl')).toMatchObject({
      ok: false,
      problem: { code: 'damaged', what: 'line 2: is not JSON' },
    });
    expect(await readText('json', '{"a": 1}')).toMatchObject({ ok: false, problem: { code: 'noText' } });
  });
});

it.each(['markdown', 'text', 'html', 'table', 'json'] as const)('states that a file of %s is empty', async (kind) => {
  expect(await readText(kind, ' \n')).toMatchObject({ ok: false, problem: { code: 'empty' } });
});

it('states that a page holds no text', async () => {
  expect(await readText('html', '<script>x</script>')).toMatchObject({ ok: false, problem: { code: 'noText' } });
});
