import { expect, it } from 'vitest';
import { releaseSubject } from './release-subject.js';

const cells = { oldOld: null, oldNew: null, newOld: null, newNew: null };

it('says what was examined and what was forgotten', () => {
  const heldOut = { before: 0.1, after: 0.25, sources: 4, questions: 12, cells };
  const canaries = { asked: 12, rightBefore: 11, rightAfter: 8, lost: 3 };
  expect(releaseSubject('demo.r1', { heldOut, canaries })).toBe(
    'release the policy of demo.r1: held-out match 10.0 % before, 25.0 % after (12 questions on 4 documents); ' +
      'canaries 11 of 12 right before, 8 after, 3 lost',
  );
});

it('says where nothing was', () => {
  const heldOut = { before: null, after: null, sources: 0, questions: 0, cells };
  const canaries = { asked: 0, rightBefore: 0, rightAfter: null, lost: null };
  expect(releaseSubject('x'.repeat(960), { heldOut, canaries })).toMatch(
    /^release the policy of x{200}: nothing was examined, .*; no canaries were asked$/,
  );
});
