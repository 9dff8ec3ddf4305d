import { setTimeout as sleep } from 'node:timers/promises';
import { grpcCodeOf } from './grpc-code.js';

/** gRPC's codes for a server that is not there or does not answer in time. */
const absent = [4, 14];
/** With the waits between them, about half a minute. */
const mostTries = 6;
const firstWaitMs = 1000;

/**
 * The custom search attributes that the server has. Temporal Cloud and others refuse to list them, and tags are no reason
 * for a round to fail: who refuses has none. A server that is absent is waited for, yet not for ever.
 */
export async function registeredSearchAttributes(
  list: () => Promise<Record<string, unknown>>,
  waitMs = firstWaitMs,
): Promise<string[]> {
  for (let tries = 1; ; tries += 1) {
    try {
      return Object.keys(await list());
    } catch (error) {
      if (!absent.includes(grpcCodeOf(error)) || tries === mostTries) return [];
    }
    await sleep(waitMs * 2 ** (tries - 1));
  }
}
