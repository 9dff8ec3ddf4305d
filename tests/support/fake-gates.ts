import type { DecisionRecord, GateResult, GateSpec, ModelRef } from '../../src/contract/index.js';
import type { Gate, Queries, Release } from '../../src/ledger/index.js';

type Of<T> = Pick<T, keyof T>;

/** The ledger's gates in memory: the rules are those of the real activities, which work on it. */
export class FakeGates implements Of<Queries['gates']> {
  readonly #instances = new Map<string, { gate: Gate; decisions: Map<string, DecisionRecord> }[]>();

  lock = (): Promise<void> => Promise.resolve();

  latest = (gateId: string): Promise<Gate | null> => Promise.resolve(this.#of(gateId).at(-1)?.gate ?? null);

  ofRun = (gateId: string, runId: string): Promise<Gate | null> =>
    Promise.resolve(this.#of(gateId).find(({ gate }) => gate.runId === runId)?.gate ?? null);

  open = (spec: GateSpec, runId: string): Promise<Gate> => {
    const before = this.#of(spec.gateId);
    const gate = { spec, instance: before.length + 1, runId, result: null };
    this.#instances.set(spec.gateId, [...before, { gate, decisions: new Map() }]);
    return Promise.resolve(gate);
  };

  close = (instance: number, result: GateResult): Promise<void> => {
    const found = this.#of(result.gateId)[instance - 1];
    if (found?.gate.result === null) found.gate = { ...found.gate, result };
    return Promise.resolve();
  };

  decide = (gateId: string, instance: number, decisions: readonly DecisionRecord[]): Promise<void> => {
    const kept = this.#of(gateId)[instance - 1]?.decisions;
    for (const decision of decisions) if (kept?.has(decision.key) === false) kept.set(decision.key, decision);
    return Promise.resolve();
  };

  decisions = (gateId: string, instance: number): Promise<DecisionRecord[]> =>
    Promise.resolve([...(this.#of(gateId)[instance - 1]?.decisions.values() ?? [])]);

  openBeside = (roundId: string): Promise<string[]> =>
    Promise.resolve(
      [...this.#instances.values()].flatMap((instances) => {
        const gate = instances.at(-1)?.gate;
        return gate?.result === null && gate.spec.roundId !== roundId ? [gate.spec.gateId] : [];
      }),
    );

  /** Every instance of a gate: null while open. */
  resultsOf = (gateId: string): (GateResult | null)[] => this.#of(gateId).map(({ gate }) => gate.result);

  /** How each gate stands. */
  get results(): Map<string, GateResult | null> {
    return new Map([...this.#instances].map(([gateId, instances]) => [gateId, instances.at(-1)?.gate.result ?? null]));
  }

  /** All that was recorded, of all instances. */
  get recorded(): DecisionRecord[] {
    return [...this.#instances.values()].flat().flatMap(({ decisions }) => [...decisions.values()]);
  }

  #of = (gateId: string) => this.#instances.get(gateId) ?? [];
}

/** The ledger's releases in memory, as activities use them. */
export class FakeReleases implements Of<Queries['releases']> {
  readonly published: Release[] = [];

  lock = (): Promise<void> => Promise.resolve();
  live = (alias: string): Promise<Release | null> =>
    Promise.resolve(this.published.filter((release) => release.alias === alias).at(-1) ?? null);
  ofRound = (alias: string, roundId: string): Promise<Release | null> =>
    Promise.resolve(this.published.find((release) => release.alias === alias && release.roundId === roundId) ?? null);
  publish = (release: Omit<Release, 'releaseId'> & { model: ModelRef }): Promise<Release> => {
    const published = { releaseId: this.published.length + 1, ...release };
    this.published.push(published);
    return Promise.resolve(published);
  };
}
