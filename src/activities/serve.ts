import type { ActivityRequest, ActivityResult } from '../contract/index.js';
import { admit, type Caller, type ServedName } from './callers.js';
import { asFailure } from './failures.js';

/** One activity: what it does with a request that is admitted. */
export type Work<N extends ServedName> = (request: ActivityRequest<N>, caller: Caller) => Promise<ActivityResult<N>>;

/** What a worker registers for an activity: the request is parsed and its caller checked, and errors are the contract's. */
export const serve =
  <N extends ServedName>(name: N, work: Work<N>) =>
  async (given: ActivityRequest<N>): Promise<ActivityResult<N>> => {
    try {
      const { request, caller } = admit(name, given);
      return await work(request, caller);
    } catch (error) {
      throw asFailure(error);
    }
  };
