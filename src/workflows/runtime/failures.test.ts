import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  ChildWorkflowFailure,
  TerminatedFailure,
  TimeoutFailure,
} from '@temporalio/common';
import { describe, expect, it } from 'vitest';
import { asWorkflowFailure, causeOf, isFailure, sentenceOf } from './failures.js';

const inActivity = (cause: Error): ActivityFailure =>
  new ActivityFailure('Activity task failed', 'trainAdapter', '1', 'MAXIMUM_ATTEMPTS_REACHED', 'worker', cause);
const inChild = (cause: Error): ChildWorkflowFailure =>
  new ChildWorkflowFailure('default', { workflowId: 'w', runId: 'r' }, 'selfEditTrial', 'NON_RETRYABLE_FAILURE', cause);
const diverged = ApplicationFailure.nonRetryable('loss is NaN at step 3', 'Diverged');

describe('causeOf', () => {
  it.each([
    ['an application failure', diverged, 'Diverged', 'loss is NaN at step 3'],
    ['an activity', inActivity(diverged), 'Diverged', 'loss is NaN at step 3'],
    ['an activity of a child', inChild(inActivity(diverged)), 'Diverged', 'loss is NaN at step 3'],
    [
      'a missed heartbeat',
      inActivity(new TimeoutFailure('', undefined, 'HEARTBEAT')),
      'Timeout',
      'timed out (HEARTBEAT)',
    ],
    ['a termination', inChild(new TerminatedFailure('', undefined)), 'Terminated', 'was terminated'],
    ['a cancellation', inChild(new CancelledFailure('')), 'Cancelled', 'was cancelled'],
    ['an untyped error', inActivity(ApplicationFailure.retryable('oops')), 'Error', 'oops'],
  ])('finds what is at the bottom of %s', (_, failure, type, message) => {
    expect(causeOf(failure)).toEqual({ type, message });
  });
});

it('knows a failure by its type', () => {
  expect(isFailure(inActivity(diverged), 'Diverged')).toBe(true);
  expect(isFailure(inActivity(diverged), 'OutOfMemory')).toBe(false);
  expect(isFailure(new Error('Diverged'), 'Diverged')).toBe(false);
});

it('ends a workflow with the words of the cause', () => {
  expect(asWorkflowFailure(inActivity(diverged))).toMatchObject({
    type: 'Diverged',
    message: 'loss is NaN at step 3',
    nonRetryable: true,
  });
  expect(sentenceOf(inActivity(diverged), 13)).toBe('Diverged: los');
});
