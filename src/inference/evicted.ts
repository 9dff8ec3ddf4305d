import { failure } from '../contract/index.js';
import type { AskableModel } from './client.js';
import { refusedStatus } from './errors.js';

/** Loads in a row that one question is worth. */
const mostTries = 3;

/** Somebody evicted the adapter: it answers 404, which of the base would mean that the server has another model. */
class AdapterEvicted extends Error {}

/** The model as it is asked, an adapter that is gone said as such. */
export function tagEvictions(model: AskableModel): AskableModel {
  const notice = (error: unknown): never => {
    throw refusedStatus(error) === 404 ? new AdapterEvicted(model.name, { cause: error }) : error;
  };
  return {
    name: model.name,
    generate: (prompt, sampling) => model.generate(prompt, sampling).catch(notice),
    logLikelihood: (prompt, continuation) => model.logLikelihood(prompt, continuation).catch(notice),
  };
}

/**
 * Tries again, after `bringBack`, what found the adapter gone: another worker may have ended its lease just now. Throws
 * `AdapterNotApplied` (retryable) where it keeps vanishing.
 */
export async function retryWhenEvicted<T>(
  name: string,
  work: () => Promise<T>,
  bringBack = async () => {},
): Promise<T> {
  for (let tries = 0; tries < mostTries; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof AdapterEvicted)) throw error;
    }
    await bringBack();
  }
  throw failure('AdapterNotApplied', `the adapter ${name} vanished from the server ${mostTries} times in a row`);
}
