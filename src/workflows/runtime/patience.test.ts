import { ActivityFailure, ApplicationFailure } from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import { failure, type ErrorType } from '../../contract/index.js';
import { awaitedOf, fractionOf, Patience } from './patience.js';

const inActivity = (cause: Error): ActivityFailure =>
  new ActivityFailure('Activity task failed', 'evaluateAdapter', '1', 'NON_RETRYABLE_FAILURE', 'worker', cause);

describe('awaitedOf', () => {
  it.each<[ErrorType, RegExp]>([
    ['ServerBusy', /busy/],
    ['ServerUnavailable', /model server does not answer/],
    ['LedgerUnavailable', /ledger/],
    ['StoreUnavailable', /store/],
  ])('%s is waited for', (type, why) => {
    expect(awaitedOf(inActivity(failure(type, 'gone')))?.why).toMatch(why);
  });

  it.each<[string, unknown]>([
    ['a slow server', inActivity(failure('ServerSlow', 'nothing in 900 s'))],
    ['a refusal', inActivity(failure('ServerRefused', 'no such model'))],
    ['an untyped error', inActivity(ApplicationFailure.retryable('oops'))],
    ['what is no failure of Temporal', new Error('ServerBusy')],
  ])('%s is not', (_, error) => {
    expect(awaitedOf(error)).toBeNull();
  });

  it('hears what a busy server says, and nothing that is no such word', () => {
    const saying = (details: unknown) => awaitedOf(inActivity(failure('ServerBusy', 'busy', { details: [details] })));
    expect(saying({ afterMs: 7000 })?.busy).toEqual({ afterMs: 7000 });
    expect(saying({ afterMs: 1e300 })?.busy).toEqual({});
    expect(saying('soon')?.busy).toEqual({});
  });
});

describe('Patience', () => {
  it('doubles up to five minutes', () => {
    const patience = new Patience(2);
    const waits = Array.from({ length: 10 }, () => patience.nextMs({}) / 1000);
    expect(waits).toEqual([2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
  });

  it('waits as long as the server asks, or longer', () => {
    const patience = new Patience(2);
    expect(patience.nextMs({ afterMs: 60_000 })).toBe(60_000);
    expect(patience.nextMs({ afterMs: 1 })).toBe(4000);
  });

  it('goes on at once after progress', () => {
    const patience = new Patience(2);
    patience.nextMs({});
    patience.nextMs({});
    expect(patience.nextMs({ progressed: true })).toBe(2000);
    expect(patience.nextMs({})).toBe(4000);
  });

  it('spreads by a fraction of a random id', () => {
    expect(fractionOf('00000000-0000-4000-8000-000000000000')).toBe(0);
    expect(fractionOf('80000000-0000-4000-8000-000000000000')).toBe(0.5);
    expect(fractionOf('ffffffff-0000-4000-8000-000000000000')).toBeLessThan(1);
  });
});
