import { setTimeout as sleep } from 'node:timers/promises';

const firstWaitMs = 1000;
const longestWaitMs = 10_000;

/** Connects, and tries again while the server is away; `say` is told each time. What the server refuses is thrown. */
export async function whenThere<T>(
  connect: () => Promise<T>,
  isAway: (error: Error) => boolean,
  say: (message: string) => void,
): Promise<T> {
  for (let waitMs = firstWaitMs; ; waitMs = Math.min(waitMs * 2, longestWaitMs)) {
    try {
      return await connect();
    } catch (error) {
      if (!(error instanceof Error) || !isAway(error)) throw error;
      say(`${error.message} Trying again in ${waitMs / 1000} s.`);
    }
    await sleep(waitMs);
  }
}
