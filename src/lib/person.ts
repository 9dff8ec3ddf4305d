import { withoutUnseen } from './visible.js';

/**
 * Who a name means: spaces, case, look-alike encodings and invisible characters do not make a second person. Letters
 * of other scripts that look alike do. Empty for a name that has nothing to see.
 */
export const personOf = (name: string): string =>
  // by upper case first, which has one form where lower case has several (ς and σ, ß and ss); twice, as each step may leave work to the one before
  folded(folded(name));

const folded = (name: string): string =>
  withoutUnseen(withoutUnseen(name).normalize('NFKC'))
    .replace(/\s+/g, '')
    .toUpperCase()
    .toLowerCase()
    .normalize('NFKC');
