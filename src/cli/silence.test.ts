import type { Client } from '@temporalio/client';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { whySilent } from './silence.js';

/** A server that reports `attempt` attempts of each workflow's task, and these latest events. */
const serverWith = (attempt: number, events: object[] = []): Client =>
  ({
    options: { namespace: 'default' },
    workflow: { getHandle: () => ({ describe: () => Promise.resolve({ raw: { pendingWorkflowTask: { attempt } } }) }) },
    workflowService: { getWorkflowExecutionHistoryReverse: () => Promise.resolve({ history: { events } }) },
  }) as unknown as Client;

const failed = (message: string) => ({ workflowTaskFailedEventAttributes: { failure: { message } } });
const noPoller = Object.assign(new Error('9'), { code: 9, details: 'no poller seen', metadata: {} });

it('tells a task that fails from a worker that is not there', async () => {
  const wedged = serverWith(7, [{}, failed('Lone surrogate is not allowed'), failed('an older one')]);
  expect(await whySilent(wedged, 'x', noPoller)).toContain('tried again (Lone surrogate is not allowed)');
  expect(await whySilent(serverWith(2), 'x', noPoller)).toContain('tried again (without a reason)');
  expect(await whySilent(serverWith(1), 'x', noPoller)).toBe('no worker answers (no poller seen): is the stack up?');
});

it('tells an answer that it does not know', async () => {
  const unknown = z.string().safeParse(7).error;
  expect(await whySilent(serverWith(1), 'x', unknown)).toBe('its answer cannot be read by this version');
});
