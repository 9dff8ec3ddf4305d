import type { AdapterHolder } from '../../src/contract/index.js';
import type { DesiredAdapters } from '../../src/inference/index.js';

interface Hold extends AdapterHolder {
  untilMs: number;
  loaded: boolean;
}

/** The desired state in memory, by the same rules as the ledger's: `desired-adapters-contract.ts` holds both to them. */
export class MemoryAdapters implements DesiredAdapters {
  readonly #holds = new Map<string, Hold>();
  /** milliseconds that the clock is ahead */
  aheadMs = 0;

  hold(
    who: AdapterHolder,
    { seconds = Infinity, loads = false }: { seconds?: number; loads?: boolean },
  ): Promise<void> {
    const loaded = loads || (this.#holds.get(keyOf(who))?.loaded ?? false);
    this.#holds.set(keyOf(who), { ...who, untilMs: this.#nowMs() + seconds * 1000, loaded });
    return Promise.resolve();
  }

  drop(who: AdapterHolder): Promise<boolean> {
    const hold = this.#holds.get(keyOf(who));
    if (hold !== undefined) hold.untilMs = Math.min(hold.untilMs, this.#nowMs());
    return Promise.resolve(this.#isUnwanted(who.server, who.adapter, 0));
  }

  unwanted(server: string, adapters: string[], graceSeconds: number): Promise<string[]> {
    return Promise.resolve(adapters.filter((adapter) => this.#isUnwanted(server, adapter, graceSeconds)).sort());
  }

  forget(server: string, adapters: string[]): Promise<void> {
    for (const [key, hold] of this.#holds) {
      const isNamed = hold.server === server && adapters.includes(hold.adapter);
      if (isNamed && hold.untilMs <= this.#nowMs()) this.#holds.delete(key);
    }
    return Promise.resolve();
  }

  #isUnwanted(server: string, adapter: string, graceSeconds: number): boolean {
    const holds = [...this.#holds.values()].filter((hold) => hold.server === server && hold.adapter === adapter);
    const before = this.#nowMs() - graceSeconds * 1000;
    return holds.some(({ loaded }) => loaded) && holds.every(({ untilMs }) => untilMs <= before);
  }

  #nowMs(): number {
    return Date.now() + this.aheadMs;
  }
}

const keyOf = ({ server, adapter, holder }: AdapterHolder): string => JSON.stringify([server, adapter, holder]);
