import type { AdapterHolder } from '../contract/index.js';

/**
 * Which adapters the model servers should have: the desired state, shared by all processes that use these servers.
 * An adapter may have several holders. A hold ends when its holder drops it, or by itself where its holder was killed.
 */
export interface DesiredAdapters {
  /**
   * Holds an adapter, or renews its hold. Without `seconds` the hold ends only when it is dropped. `loads` means that
   * this holder loads the adapter now: an adapter that no holder loaded is not ours to unload.
   */
  hold(who: AdapterHolder, options: { seconds?: number; loads?: boolean }): Promise<void>;
  /** Ends a hold. Whether the adapter may be unloaded: no other holder wants it, and one of its holders loaded it. */
  drop(who: AdapterHolder): Promise<boolean>;
  /** Of these adapters, those that holders loaded and none has wanted for `graceSeconds`. */
  unwanted(server: string, adapters: string[], graceSeconds: number): Promise<string[]>;
  /** Forgets the ended holds of adapters that are unloaded. */
  forget(server: string, adapters: string[]): Promise<void>;
}
