import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { decodeText } from './decode.js';

const limit = 1000;

it('says on which line a file is not in its encoding', () => {
  const latin = Buffer.from('{"a": 1}\n{"b": "Beyonc\u00e9"}', 'latin1');
  expect(decodeText(latin, limit)).toMatchObject({ ok: false, what: expect.stringContaining('line 2') as string });
  const half = Buffer.concat([Buffer.from('\ufeff{\n"', 'utf16le'), Buffer.from([0x3d, 0xd8]), Buffer.from('"}', 'utf16le')]);
  expect(decodeText(half, limit)).toMatchObject({ ok: false, what: expect.stringMatching(/UTF-16LE.*line 2/) as string });
});

it('tells files that hold no text', () => {
  const parquet = Buffer.from([0x50, 0x41, 0x52, 0x31, 0x15, 0x00, 0xff, 0x80]);
  expect(decodeText(parquet, limit)).toMatchObject({ ok: false, what: 'is no text', fix: expect.stringContaining('JSONL') as string });
});

it('unpacks no more than is allowed, and nothing that is broken', () => {
  expect(decodeText(gzipSync('x'.repeat(limit)), limit)).toEqual({ ok: true, text: 'x'.repeat(limit) });
  const large = decodeText(gzipSync('x'.repeat(limit + 1)), limit);
  expect(large).toMatchObject({ ok: false, what: expect.stringContaining('unpacked') as string });
  expect(decodeText(gzipSync('xyz').subarray(0, 12), limit)).toMatchObject({ ok: false, what: 'cannot be unpacked' });
});
