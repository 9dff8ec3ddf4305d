import { roundDesign } from '../experiment/round-design.js';
import type { NativeConnection } from '@temporalio/worker';
import type { LedgerDeps } from '../activities/ledger/index.js';
import type { LlmDeps } from '../activities/llm/index.js';
import { ArtifactStore } from '../artifacts/index.js';
import { domains } from '../domains/index.js';
import { InferenceClient } from '../inference/index.js';
import { Ledger, migrate } from '../ledger/index.js';
import { endOrphan, endWithParent } from './orphans.js';
import { registeredSearchAttributes } from './registered-attributes.js';
import type { WorkerSettings } from './settings.js';

export interface Dependencies {
  ledger: LedgerDeps;
  llm: LlmDeps;
  close(): Promise<void>;
}

/** What activities work with, connected: the ledger with its schema up to date, the store, the model server. */
export async function connectDependencies(
  settings: WorkerSettings,
  temporal: { connection: NativeConnection; namespace: string },
): Promise<Dependencies> {
  await migrate(settings.databaseUrl);
  const ledger = await Ledger.connect(settings.databaseUrl);
  const shared = { ledger, store: new ArtifactStore(settings.storeDir), domains };
  return {
    ledger: {
      ...shared,
      design: roundDesign,
      corpusDir: settings.corpusDir,
      corpusRoots: settings.corpusRoots,
      temporal: {
        endOrphan: (workflowId, parentId) => endOrphan(temporal, workflowId, parentId),
        endWithParent: (workflowId, parentId) => endWithParent(temporal, workflowId, parentId),
        searchAttributes: () =>
          registeredSearchAttributes(async () => {
            const { connection, namespace } = temporal;
            return (await connection.operatorService.listSearchAttributes({ namespace })).customAttributes;
          }),
      },
    },
    llm: {
      ...shared,
      llmQueue: settings.llmQueue,
      inference: new InferenceClient({
        baseUrl: settings.inferenceUrl,
        apiKey: settings.inferenceKey,
        open: settings.openQuestions,
      }),
    },
    close: () => ledger.close(),
  };
}
