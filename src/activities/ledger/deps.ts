import type { ArtifactStore } from '../../artifacts/index.js';
import type { Domains } from '../../domains/index.js';
import type { Design } from '../../experiment/design.js';
import type { Ledger } from '../../ledger/index.js';

/** What the ledger activities work with. */
export interface LedgerDeps {
  ledger: Ledger;
  store: ArtifactStore;
  domains: Domains;
  /** what is planned and reported */
  design: Design;
  /** the folder of the sample corpora, one for each domain */
  corpusDir: string;
  /** folders under which a round's corpus must lie; `{tenant}` stands for the round's tenant */
  corpusRoots: readonly string[];
  /** the Temporal server; absent: no search attributes are upserted, and orphans are not looked for */
  temporal?: {
    /** the search attributes that the server has */
    searchAttributes(): Promise<readonly string[]>;
    /** cancels a child of this parent where the run that started it has ended */
    endOrphan(workflowId: string, parentId: string): Promise<void>;
    /** cancels a workflow if no run of its parent is running */
    endWithParent(workflowId: string, parentId: string): Promise<void>;
  };
}
