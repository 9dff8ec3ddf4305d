import { log } from '@temporalio/activity';
import type { ActivityRequest, ActivityResult, LlmActivities } from '../../contract/index.js';
import { AdapterLeases } from '../../inference/index.js';
import { admit } from '../callers.js';
import { asFailure } from '../failures.js';
import { inAttempt } from './attempt.js';
import { measureBaseline } from './baseline.js';
import type { LlmDeps, LlmRun } from './deps.js';
import { evaluateAdapter } from './evaluation.js';
import { leftBehind } from './left-behind.js';
import { proposeSelfEdit } from './proposal.js';
import { screenSelfEdit } from './screening.js';
import { checkServer } from './server.js';

export type { LlmDeps } from './deps.js';

/** The activities that ask a model server. Each may be retried: what was written or answered before is not asked again. */
export function createLlmActivities({ inference, ...deps }: LlmDeps): LlmActivities {
  const leases = new AdapterLeases(inference, {
    folderOf: async (adapter) => (await deps.store.open(adapter)).folder,
    leftBehind: (names) => leftBehind(deps.ledger, names),
    warn: (message) => {
      log.warn(message);
    },
  });
  const serve =
    <N extends keyof LlmActivities>(
      name: N,
      work: (run: LlmRun, request: ActivityRequest<N>) => Promise<ActivityResult<N>>,
    ) =>
    async (given: ActivityRequest<N>): Promise<ActivityResult<N>> => {
      try {
        const { request } = admit(name, given);
        return await inAttempt(inference, (attempt) => {
          const asked = inference.withSignal(attempt.signal);
          const countTokens = (model: string, text: string) => asked.countTokens(model, text);
          return work({ ...deps, ...attempt, leases, countTokens }, request);
        });
      } catch (error) {
        throw asFailure(error);
      }
    };
  return {
    checkServer: serve('checkServer', checkServer),
    measureBaseline: serve('measureBaseline', measureBaseline),
    proposeSelfEdit: serve('proposeSelfEdit', proposeSelfEdit),
    screenSelfEdit: serve('screenSelfEdit', screenSelfEdit),
    evaluateAdapter: serve('evaluateAdapter', evaluateAdapter),
  };
}
