import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { familyOf, gateIdOf, idProblem, roundIdOf, shardIdOf, trialIdOf } from './ids.js';
import { bounds } from './names.js';

const bytes = (text: string): number => new TextEncoder().encode(text).length;

describe('idProblem', () => {
  it.each(['demo.monday', 'demo.r0001', "ann's round", 'a b', 'ünïcode 山', 'x/y', 'a.gated', 'r.s07'])(
    'takes %j',
    (id) => {
      expect(idProblem(id, 'round')).toBeNull();
      expect(idProblem(id, 'campaign')).toBeNull();
    },
  );

  it.each(['', ' ', '\u00a0', 'a\nb', 'a\u0000', 'a\u001b[31m', 'a\u200bb', '\ud800', 'a\u2028b', 'x\ufe0f'])(
    'refuses %j',
    (id) => {
      expect(idProblem(id, 'round')).toMatch(/is empty|nobody sees/);
    },
  );

  it.each(['a.gate-release', 'a.edits.s00', 'a.edits.s00.e0001'])(
    'refuses %j, which a child of another round has',
    (id) => {
      expect(idProblem(id, 'round')).toMatch(/ends like/);
    },
  );

  it('refuses an id whose children would have none', () => {
    const worst = (roundId: string): number =>
      Math.max(
        bytes(gateIdOf(roundId, 'release')),
        ...['edits', 'x'.repeat(10)].map((purpose) => {
          const { shardsPerRound: shards, trialsPerShard: trials } = bounds;
          return bytes(trialIdOf(shardIdOf(roundId, purpose, shards - 1), shards * trials - 1));
        }),
      );
    const longest = (unit: string, of: 'round' | 'campaign'): string => {
      let id = unit;
      while (idProblem(id + unit, of) === null) id += unit;
      return id;
    };
    for (const unit of ['r', '山', '🦭']) {
      const round = longest(unit, 'round');
      expect(worst(round)).toBeLessThanOrEqual(1000);
      expect(worst(round + unit.repeat(2))).toBeGreaterThan(990);
      expect(idProblem(round + unit, 'round')).toMatch(/may have \d+ bytes and this one has \d+/);
      const campaign = longest(unit, 'campaign');
      expect(idProblem(roundIdOf(campaign, 999_999_999), 'round')).toBeNull();
    }
  });

  it('judges every text, and what it takes can be shown', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (id) => {
        // eslint-disable-next-line no-control-regex -- what must not pass
        if (idProblem(id, 'round') === null) expect(id).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u200b\ud800-\udfff]/u);
      }),
    );
  });
});

describe('familyOf', () => {
  it('reads what the ids were made of, whatever the round is called', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }),
        fc.stringMatching(/^[a-z]{1,10}$/),
        fc.nat(399),
        fc.nat(79_999),
        (round, purpose, s, e) => {
          const shardId = shardIdOf(round, purpose, s);
          expect(familyOf(trialIdOf(shardId, e))).toEqual({ shardId, roundId: round });
        },
      ),
    );
    for (const id of ['', 'x', 'a.b.e0001', 'a.edits.s00']) expect(familyOf(id)).toBeNull();
  });
});
