import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex, utf8ToBytes } from '@noble/hashes/utils.js';
import canonicalize from 'canonicalize';
import { wellFormed } from '../lib/visible.js';

/** Levels of a value that count towards its digest; no schema of ours has a tenth of them. */
const levels = 200;

/** sha256 (lower-case hex) of a UTF-8 text. Pure JavaScript, so that workflows may use it too. */
export const textDigest = (text: string): string => bytesToHex(sha256(utf8ToBytes(text)));

/**
 * sha256 of a value's canonical JSON (RFC 8785): the same for every key order and in both languages. Every value has
 * one, since a handler that throws would wedge its workflow: what JSON cannot express counts as null, half of a
 * surrogate pair as U+FFFD (so the ledger keeps it), and what is nested deeper than {@link levels} is left out.
 */
export const canonicalDigest = (value: unknown): string => textDigest(canonicalize(plain(value, 0)) ?? 'null');

type Plain = null | boolean | number | string | Plain[] | { [key: string]: Plain };

function plain(value: unknown, depth: number): Plain {
  if (typeof value === 'string') return wellFormed(value);
  if (typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value !== 'object' || value === null || depth === levels) return null;
  if (Array.isArray(value)) return Array.from(value, (part) => plain(part, depth + 1));
  const entries = Object.entries(value).filter(([, part]) => part !== undefined);
  return Object.fromEntries(entries.map(([key, part]) => [wellFormed(key), plain(part, depth + 1)]));
}
