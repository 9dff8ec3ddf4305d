import fc from 'fast-check';

// What somebody hostile, or a broken program, may put into any place of a message.

/** Texts of every kind: half surrogate pairs, controls, invisible characters, escape sequences, long ones. */
export const hostileText: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.constantFrom(
    '',
    ' ',
    '\ud800',
    'a\udc00b',
    '\u0000',
    '\u001b[2J\u009b31m',
    'ro\u200bot',
    '\u202egnp',
    '__proto__',
    'constructor',
    'toString',
  ),
  fc.constantFrom('`', '|', '](http://x)', '$(touch x)', "'; touch x; #", '<script>', '\n# x', '🦭'.repeat(100)),
  fc.nat(300).map((n) => 'n'.repeat(n * 10)),
);

/** Numbers of every size, also those that are no time and no count. */
export const hostileNumber: fc.Arbitrary<number> = fc.oneof(
  fc.constantFrom(
    1e300,
    -1e300,
    1e308,
    Number.MAX_SAFE_INTEGER,
    2 ** 53,
    8.64e15,
    8.64e15 + 1,
    -1,
    -0,
    0.5,
    1e-300,
    5e-324,
    4294967296,
  ),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
);

const deep = fc
  .integer({ min: 1, max: 3000 })
  .map((levels) => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`) as unknown);
const prototypes = fc.constantFrom<unknown>(
  ...[
    '{"__proto__":{"gateId":"x"}}',
    '{"constructor":{"prototype":1}}',
    '{"toJSON":1,"toString":null,"valueOf":null}',
  ].map((text) => JSON.parse(text) as unknown),
  { __undecodable: true, reason: { toString: null } },
);

/** JSON of any form. */
export const hostileValue: fc.Arbitrary<unknown> = fc.oneof(
  hostileText,
  hostileNumber,
  fc.constantFrom(null, true, false, {}, []),
  deep,
  prototypes,
  fc.jsonValue({ stringUnit: 'binary', maxDepth: 4 }),
);

/**
 * A well-formed message with hostile parts: any leaf keeps its value or has a hostile one of its type, now and then
 * of another; any key may be missing.
 */
export function hostileLike(sample: unknown): fc.Arbitrary<unknown> {
  if (Array.isArray(sample)) {
    const first: unknown = sample[0];
    return first === undefined ? fc.constantFrom<unknown>([], null) : fc.array(hostileLike(first), { maxLength: 4 });
  }
  if (typeof sample === 'object' && sample !== null) {
    const parts = Object.fromEntries(Object.entries(sample).map(([key, part]) => [key, hostileLike(part)]));
    return fc.oneof(
      { weight: 6, arbitrary: fc.record(parts) },
      { weight: 1, arbitrary: fc.record(parts, { requiredKeys: [] }) },
    );
  }
  const own: fc.Arbitrary<unknown> =
    typeof sample === 'string'
      ? hostileText
      : typeof sample === 'number'
        ? hostileNumber
        : fc.constantFrom(true, false, null);
  return fc.oneof(
    { weight: 6, arbitrary: fc.constant(sample) },
    { weight: 3, arbitrary: own },
    { weight: 1, arbitrary: hostileValue },
  );
}
