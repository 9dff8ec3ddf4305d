import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { log } from '@temporalio/activity';
import type { ActivityRequest, ActivityResult, LlmActivities } from '../../contract/index.js';
import { AdapterOwner, ModelLeases } from '../../inference/index.js';
import { serve } from '../serve.js';
import { inAttempt } from './attempt.js';
import { measureBaseline } from './baseline.js';
import type { LlmDeps, LlmRun } from './deps.js';
import { evaluateAdapter } from './evaluation.js';
import { proposeSelfEdit } from './proposal.js';
import { screenSelfEdit } from './screening.js';
import { checkServer } from './server.js';

export type { LlmDeps } from './deps.js';

/** The activities that ask a model server. Each may be retried: what was written or answered before is not asked again. */
export function createLlmActivities({ inference, llmQueue, ...deps }: LlmDeps): LlmActivities {
  const owner = new AdapterOwner(inference, {
    desired: deps.ledger.servedAdapters,
    server: llmQueue,
    holder: `leases@${hostname()}:${process.pid}:${randomUUID().slice(0, 8)}`,
    folderOf: async (adapter) => (await deps.store.open(adapter)).folder,
    warn: (message) => {
      log.warn(message);
    },
  });
  const leases = new ModelLeases(inference, owner);
  const serveAttempt = <N extends keyof LlmActivities>(
    name: N,
    work: (run: LlmRun, request: ActivityRequest<N>) => Promise<ActivityResult<N>>,
  ) =>
    serve(name, (request) =>
      inAttempt(inference, (attempt) => {
        const asked = inference.withSignal(attempt.signal);
        const countTokens = (model: string, text: string) => asked.countTokens(model, text);
        return work({ ...deps, ...attempt, leases, countTokens }, request);
      }),
    );
  return {
    checkServer: serveAttempt('checkServer', checkServer),
    measureBaseline: serveAttempt('measureBaseline', measureBaseline),
    proposeSelfEdit: serveAttempt('proposeSelfEdit', proposeSelfEdit),
    screenSelfEdit: serveAttempt('screenSelfEdit', screenSelfEdit),
    evaluateAdapter: serveAttempt('evaluateAdapter', evaluateAdapter),
  };
}
