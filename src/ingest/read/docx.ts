import mammoth from 'mammoth';
import { problem, type FileReading } from '../document.js';
import { readHtml } from './html.js';

const zipMagic = 'PK\u0003\u0004';
/** A title is no heading: headings of the first level may follow it. */
const titleClass = 'document-title';
const titlePattern = new RegExp(`<p class="${titleClass}">(.*?)</p>`, 'su');

/** Reads a Word document by its styles: Title, Heading 1 to 6, lists and tables. */
export async function readDocx(bytes: Uint8Array): Promise<FileReading> {
  if (new TextDecoder('latin1').decode(bytes.subarray(0, zipMagic.length)) !== zipMagic) {
    return problem('damaged', 'is not a Word document', 'save it as .docx again, or export it as PDF or text');
  }
  try {
    const { value, messages } = await mammoth.convertToHtml(
      { buffer: Buffer.from(bytes) },
      {
        styleMap: [`p[style-name='Title'] => p.${titleClass}:fresh`],
        convertImage: mammoth.images.imgElement(() => Promise.resolve({ src: '' })),
      },
    );
    const title = titleOf(value);
    const reading = readHtml(value.replace(titlePattern, ''));
    if (!reading.ok) return reading;
    const documents = reading.documents.map((document) => ({ ...document, title: title ?? document.title }));
    return { ...reading, documents, warnings: [...new Set(messages.map(({ message }) => message))] };
  } catch {
    return problem('damaged', 'is a damaged Word document', 'open it and save it again, or export it as PDF or text');
  }
}

function titleOf(html: string): string | null {
  const title = titlePattern.exec(html)?.[1]?.replace(/<[^>]*>/gu, '');
  const reading = readHtml(`<title>${title ?? ''}</title>`);
  return reading.ok ? (reading.documents[0]?.title ?? null) : null;
}
