import { crc32 } from 'node:zlib';

/** A line of a made PDF: its letters' size and its distance from the foot of the page, in points. */
export interface MadeLine {
  text: string;
  size: number;
  y: number;
}

/** A PDF with one page per list of lines; a page without lines is what a scanner makes. ASCII only. */
export function makePdf(pages: MadeLine[][], title?: string): Uint8Array {
  const objects: string[] = [];
  const add = (body: string): number => objects.push(body);
  add('<< /Type /Catalog /Pages 2 0 R >>');
  const kids = pages.map((_, i) => `${5 + 2 * i} 0 R`).join(' ');
  add(`<< /Type /Pages /Kids [${kids}] /Count ${pages.length} >>`);
  add('<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>');
  for (const lines of pages) {
    const stream = lines
      .map(({ text, size, y }) => `BT /F1 ${size} Tf 1 0 0 1 50 ${y} Tm (${text.replace(/[\\()]/g, '\\$&')}) Tj ET`)
      .join('\n');
    add(`<< /Length ${stream.length} >>\nstream\n${stream}\nendstream`);
    add(
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents ${objects.length} 0 R ` +
        '/Resources << /Font << /F1 3 0 R >> >> >>',
    );
  }
  if (title !== undefined) add(`<< /Title (${title}) >>`);
  let file = '%PDF-1.4\n';
  const offsets = objects.map((body, i) => {
    const offset = file.length;
    file += `${i + 1} 0 obj\n${body}\nendobj\n`;
    return offset;
  });
  const start = file.length;
  file += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n`;
  file += offsets.map((offset) => `${String(offset).padStart(10, '0')} 00000 n \n`).join('');
  const info = title === undefined ? '' : ` /Info ${objects.length} 0 R`;
  file += `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R${info} >>\nstartxref\n${start}\n%%EOF\n`;
  return new TextEncoder().encode(file);
}

/** A paragraph of a made Word document, with the name of its style. */
export interface MadeParagraph {
  style?: string;
  text: string;
}

/** A Word document of paragraphs, and a table after them. */
export function makeDocx(paragraphs: MadeParagraph[], table: string[][] = []): Uint8Array {
  const name = 'http://schemas.openxmlformats.org';
  const w = `xmlns:w="${name}/wordprocessingml/2006/main"`;
  const textOf = (text: string): string => `<w:r><w:t>${text}</w:t></w:r>`;
  const styles = [...new Set(paragraphs.flatMap(({ style }) => style ?? []))];
  const idOf = (style: string): string => style.replaceAll(' ', '');
  const body = paragraphs.map(({ style, text }) => {
    const properties = style === undefined ? '' : `<w:pPr><w:pStyle w:val="${idOf(style)}"/></w:pPr>`;
    return `<w:p>${properties}${textOf(text)}</w:p>`;
  });
  const rows = table.map(
    (row) => `<w:tr>${row.map((cell) => `<w:tc><w:p>${textOf(cell)}</w:p></w:tc>`).join('')}</w:tr>`,
  );
  return zip({
    '[Content_Types].xml': `<Types xmlns="${name}/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>`,
    '_rels/.rels': `<Relationships xmlns="${name}/package/2006/relationships"><Relationship Id="r1" Type="${name}/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>`,
    'word/_rels/document.xml.rels': `<Relationships xmlns="${name}/package/2006/relationships"><Relationship Id="r1" Type="${name}/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>`,
    'word/styles.xml': `<w:styles ${w}>${styles.map((style) => `<w:style w:type="paragraph" w:styleId="${idOf(style)}"><w:name w:val="${style}"/></w:style>`).join('')}</w:styles>`,
    'word/document.xml': `<w:document ${w}><w:body>${body.join('')}${rows.length === 0 ? '' : `<w:tbl>${rows.join('')}</w:tbl>`}</w:body></w:document>`,
  });
}

/** A zip archive without compression. */
function zip(files: Record<string, string>): Uint8Array {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, text] of Object.entries(files)) {
    const data = Buffer.from(text);
    const path = Buffer.from(name);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt32LE(crc32(data), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(data.length, 18);
    common.writeUInt16LE(path.length, 22);
    const local = Buffer.concat([Buffer.from('PK\u0003\u0004'), common, path, data]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(offset, 10);
    directory.push(Buffer.concat([Buffer.from('PK\u0001\u0002'), Buffer.from([20, 0]), common, rest, path]));
    parts.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(directory.length, 4);
  end.writeUInt16LE(directory.length, 6);
  end.writeUInt32LE(central.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...parts, central, Buffer.from('PK\u0005\u0006'), end]);
}
