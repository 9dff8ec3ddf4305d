import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import canonicalize from 'canonicalize';

/** sha256 (lower-case hex) of a UTF-8 text. Pure JavaScript, so that workflows may use it too. */
export const textDigest = (text: string): string => bytesToHex(sha256(utf8ToBytes(text)));

/** sha256 of a value's canonical JSON (RFC 8785): the same for every key order and in both languages. */
export function canonicalDigest(value: unknown): string {
  const json = canonicalize(value);
  if (json === undefined) throw new TypeError('only a JSON value has a digest');
  return textDigest(json);
}
