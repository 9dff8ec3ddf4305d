import { expect, it } from 'vitest';
import { failedFraction, refuseFailures } from './failed-trials.js';

it('counts only failures of the infrastructure as failed, and none of the skipped as run', () => {
  expect(failedFraction({ scored: 2, infra_failure: 1, diverged: 1, skipped: 96 })).toBe(0.25);
  expect(failedFraction({ skipped: 4 })).toBe(0);
  expect(failedFraction({})).toBe(0);
});

it('refuses too many failures: at the end always, before it from the twentieth trial on', () => {
  const refused = (failures: number, scored: number, more: boolean) => (): void => {
    refuseFailures({ infra_failure: failures, scored, skipped: 50 }, 0.25, { more });
  };
  expect(refused(3, 5, false)).toThrow(/38 % .* \(3\); maxFailedFraction allows 25 %/);
  expect(refused(3, 5, true)).not.toThrow();
  expect(refused(19, 0, true)).not.toThrow();
  expect(refused(20, 0, true)).toThrow(/100 %/);
  expect(refused(5, 15, true)).not.toThrow();
  expect(refused(6, 14, true)).toThrow(/30 %/);
});
