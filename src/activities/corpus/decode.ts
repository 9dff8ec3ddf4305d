import { gunzipSync } from 'node:zlib';

export type Decoded =
  | { ok: true; text: string }
  | { ok: false; code: 'tooLarge' | 'damaged' | 'binary' | 'wrongEncoding'; what: string; fix: string };

const gzipMagic = [0x1f, 0x8b] as const;

/** The text of a file in UTF-8 or UTF-16, with or without a byte order mark, perhaps compressed. */
export function decodeText(file: Uint8Array, mostBytes: number): Decoded {
  if (file[0] !== gzipMagic[0] || file[1] !== gzipMagic[1]) return decoded(file);
  try {
    return decoded(gunzipSync(file, { maxOutputLength: mostBytes }));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
      ? { ok: false, code: 'tooLarge', what: `holds more than ${mostBytes / 1024 ** 2} MiB unpacked`, fix: 'split it' }
      : { ok: false, code: 'damaged', what: 'cannot be unpacked', fix: 'pack it again with gzip, or give it unpacked' };
  }
}

function decoded(bytes: Uint8Array): Decoded {
  const encoding = encodingOf(bytes);
  try {
    return { ok: true, text: new TextDecoder(encoding, { fatal: true }).decode(bytes) };
  } catch {
    if (encoding === 'utf-8' && bytes.includes(0)) {
      return { ok: false, code: 'binary', what: 'is no text', fix: 'export it as JSONL or CSV' };
    }
    const line = new TextDecoder(encoding).decode(bytes).split('\ufffd', 1)[0]?.split(/\r\n|\n|\r/u).length ?? 1;
    const name = encoding.toUpperCase();
    return {
      ok: false,
      code: 'wrongEncoding',
      what: `is not ${name} text: line ${line} is the first that is none`,
      fix: 'save it as UTF-8: iconv -f ENCODING -t UTF-8',
    };
  }
}

/** A file's first characters are marks and digits of ASCII in every layout: in UTF-16 every second byte there is zero. */
function encodingOf(bytes: Uint8Array): 'utf-8' | 'utf-16le' | 'utf-16be' {
  const [first, second, third, fourth] = bytes;
  if (first === 0xff && second === 0xfe) return 'utf-16le';
  if (first === 0xfe && second === 0xff) return 'utf-16be';
  if (first !== 0 && second === 0 && third !== 0 && fourth === 0) return 'utf-16le';
  if (first === 0 && second !== 0 && third === 0 && fourth !== 0) return 'utf-16be';
  return 'utf-8';
}
