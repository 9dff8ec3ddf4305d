import type { ArtifactStore } from '../../artifacts/index.js';
import type { Domain } from '../../domains/domain.js';
import type { Ledger } from '../../ledger/index.js';

/** What the control activities work with. */
export interface ControlDeps {
  ledger: Ledger;
  store: ArtifactStore;
  domain: Domain;
  /** the folder of the sample corpus */
  corpusDir: string;
  /** the search attributes that the Temporal server has; absent: none are upserted */
  temporal?: { searchAttributes(): Promise<readonly string[]> };
}
