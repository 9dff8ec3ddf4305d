import { failure } from '../contract/index.js';
import type { AskableModel } from './model-server.js';
import { refusedStatus } from './errors.js';

/** Loads in a row that one question is worth. */
const mostTries = 3;

/** The adapter is gone: it answers 404, which of the base would mean that the server has another model. */
class AdapterEvicted extends Error {}

/** The model, with `AdapterEvicted` for an adapter that is gone. */
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
 * Tries `work` again after `reload` where it found the adapter gone: the server may have evicted it.
 * @throws AdapterNotApplied (retryable) where it keeps vanishing
 */
export async function retryWhenEvicted<T>(name: string, work: () => Promise<T>, reload = async () => {}): Promise<T> {
  for (let tries = 0; tries < mostTries; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof AdapterEvicted)) throw error;
    }
    await reload();
  }
  throw failure('AdapterNotApplied', `the adapter ${name} vanished from the server ${mostTries} times in a row`);
}
