import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonicalDigest, textDigest } from './digest.js';

describe('canonicalDigest', () => {
  it('is of the canonical JSON', () => {
    expect(canonicalDigest({ b: [1, 'x'], a: null })).toBe(textDigest('{"a":null,"b":[1,"x"]}'));
    expect(canonicalDigest({ a: undefined, b: 1 })).toBe(canonicalDigest({ b: 1 }));
  });

  it('takes half of a surrogate pair for what the ledger keeps of it', () => {
    expect(canonicalDigest({ '\ud800': 'a\udc00' })).toBe(canonicalDigest({ '\ufffd': 'a\ufffd' }));
    expect(canonicalDigest('\u{1f9ad}')).toBe(textDigest('"\u{1f9ad}"'));
  });

  it('is there for every value', () => {
    const deep = JSON.parse(`${'['.repeat(5000)}${']'.repeat(5000)}`) as unknown;
    for (const value of [
      deep,
      NaN,
      Infinity,
      undefined,
      1n,
      Symbol('x'),
      () => 1,
      { toJSON: 5 },
      JSON.parse('{"__proto__":1}'),
    ]) {
      expect(canonicalDigest(value)).toMatch(/^[0-9a-f]{64}$/);
    }
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withNullPrototype: true, stringUnit: 'binary' }), (value) => {
        expect(canonicalDigest(value)).toMatch(/^[0-9a-f]{64}$/);
      }),
    );
    expect(canonicalDigest(JSON.parse('{"__proto__":1}'))).not.toBe(canonicalDigest({}));
  });

  it('is the same for every order of keys', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const turned = Object.fromEntries(Object.entries(value).reverse());
        expect(canonicalDigest(turned)).toBe(canonicalDigest(value));
      }),
    );
  });
});
