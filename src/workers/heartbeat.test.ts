import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { expect, it } from 'vitest';
import { beating } from './heartbeat.js';

it('beats as long as an activity lasts, and not after', async () => {
  const environment = new MockActivityEnvironment({ heartbeatTimeoutMs: 30 }, { logger: new DefaultLogger('ERROR') });
  const { inbound } = beating(environment.context);
  let beats = 0;
  const beatenTwice = new Promise<string>((resolve) => {
    environment.on('heartbeat', () => {
      beats += 1;
      if (beats === 2) resolve('done');
    });
  });
  const result = await environment.run(async () => inbound?.execute?.({ args: [], headers: {} }, () => beatenTwice));
  expect(result).toBe('done');
  const before = beats;
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(beats).toBe(before);
});
