import { failure, isServedAdapter, type AdapterHolder, type ArtifactRef } from '../contract/index.js';
import { messageOf } from '../lib/error-message.js';
import type { DesiredAdapters } from './desired-adapters.js';
import { probeEffect, type Effect, type EffectProbe } from './effect-probe.js';
import { retryWhenEvicted, tagEvictions } from './evicted.js';
import type { AskableModel, ModelServer } from './model-server.js';

export interface OwnerOptions {
  desired: DesiredAdapters;
  /** the server and this process, as the desired state names them */
  server: string;
  holder: string;
  /** the path of an adapter's PEFT directory, for the server to read */
  folderOf: (adapter: ArtifactRef) => Promise<string>;
  /** told what went wrong without harm */
  warn: (message: string) => void;
}

/** An adapter that is to be served, and how to find out whether the server applies it. */
export interface AdapterNeed {
  /** the name that it is served under */
  name: string;
  base: string;
  artifact: ArtifactRef;
  /** the model that it differs from */
  below: AskableModel;
  probes: EffectProbe[];
}

/** An adapter that is served until it is released. */
export interface AdapterHold {
  asked: AskableModel;
  release: () => Promise<void>;
}

/** A hold ends by itself after this, which is after three renewals failed. */
const holdSeconds = 120;
const renewEveryMs = (holdSeconds / 4) * 1000;
/** An adapter whose holders were killed is unloaded after this; a holder that only lost the ledger comes back before. */
const graceSeconds = 300;

interface Served {
  readonly name: string;
  /** of this process */
  holders: number;
  /** shown to take effect */
  applied: boolean;
  /** counts the loads, so that many questions that met one eviction cause one reload */
  generation: number;
  /** the end of the queue of those who load, probe, renew or unload this adapter */
  turn: Promise<unknown>;
}

/**
 * The owner of a server's adapters within a process: nothing else loads or unloads them. It loads what is wanted by its
 * digest's name, shows that it takes effect, and unloads what no process wants any more.
 *
 * Several processes may use one server; the desired state is what they share. It may be late (a ledger that is away, a
 * process that was suspended): names are immutable content digests, so loading twice is harmless, and an adapter that is
 * gone answers 404, never wrongly, whereupon its holder loads and probes it again.
 */
export class AdapterOwner {
  readonly #server: ModelServer;
  readonly #options: OwnerOptions;
  readonly #adapters = new Map<string, Served>();
  #renewals: NodeJS.Timeout | null = null;

  constructor(server: ModelServer, options: OwnerOptions) {
    this.#server = server;
    this.#options = options;
  }

  /**
   * Serves an adapter until it is released.
   * @throws AdapterNotApplied (retryable) where the server answers as if it were not there
   */
  async hold(need: AdapterNeed, signal: AbortSignal): Promise<AdapterHold> {
    const server = this.#server.withSignal(signal);
    const asked = tagEvictions(server.model(need.name, need.base));
    const served = this.#join(need);
    const ensureLoaded = () => this.#ensureLoaded(served, server, asked, need);
    const release = () => this.#release(served);
    try {
      await inTurn(served, () => (served.applied ? undefined : ensureLoaded()));
    } catch (error) {
      await release();
      throw error;
    }
    return { asked: withReload(asked, served, ensureLoaded), release };
  }

  #join({ name }: AdapterNeed): Served {
    const served = this.#adapters.get(name) ?? {
      name,
      holders: 0,
      applied: false,
      generation: 0,
      turn: Promise.resolve(),
    };
    served.holders += 1;
    this.#adapters.set(name, served);
    this.#renewals ??= setInterval(() => void this.#renew(), renewEveryMs).unref();
    return served;
  }

  async #ensureLoaded(served: Served, server: ModelServer, asked: AskableModel, need: AdapterNeed): Promise<void> {
    served.applied = false;
    const load = async (): Promise<Effect> => {
      const there = await server.models();
      const loads = !there.includes(need.name);
      // told before it is true: a load that is cancelled midway may have happened
      await this.#options.desired.hold(this.#who(served), { seconds: holdSeconds, loads });
      await this.#unloadUnwanted(there);
      if (loads) await server.loadAdapter(need.name, await this.#options.folderOf(need.artifact));
      return probeEffect(need.below, asked, need.probes);
    };
    const found = await retryWhenEvicted(need.name, load);
    if (!found.applied) {
      // a server that lost an adapter's weights but not its name needs a real load next time
      await server.unloadAdapter(need.name);
      throw failure(
        'AdapterNotApplied',
        `the server took the adapter ${need.name} but answers as ${need.below.name} does: ` +
          `log-probabilities differ by ${found.effect}, equal calls by ${found.noise}`,
      );
    }
    served.applied = true;
    served.generation += 1;
  }

  /** The activity may have been cancelled: the adapter is dropped all the same, and a failure to do so fails nothing. */
  async #release(served: Served): Promise<void> {
    served.holders -= 1;
    await inTurn(served, async () => {
      if (isFree(served)) {
        served.applied = false;
        await this.#drop(served);
      }
      // another lease may have begun meanwhile
      if (isFree(served)) this.#adapters.delete(served.name);
    });
    if (this.#adapters.size > 0 || this.#renewals === null) return;
    clearInterval(this.#renewals);
    this.#renewals = null;
  }

  async #drop(served: Served): Promise<void> {
    try {
      if (await this.#options.desired.drop(this.#who(served))) await this.#unload(served.name);
    } catch (error) {
      this.#warnOf(served.name, error);
    }
  }

  /** Unloads what killed processes left on the server. */
  async #unloadUnwanted(there: string[]): Promise<void> {
    const { desired, server } = this.#options;
    const adapters = there.filter(isServedAdapter);
    if (adapters.length === 0) return;
    for (const name of await desired.unwanted(server, adapters, graceSeconds)) {
      await this.#unload(name).catch((error: unknown) => this.#warnOf(name, error));
    }
  }

  /** Not of the attempt that no longer needs the adapter: its end does not end this. */
  async #unload(name: string): Promise<void> {
    await this.#server.unloadAdapter(name);
    await this.#options.desired.forget(this.#options.server, [name]);
  }

  async #renew(): Promise<void> {
    const renewals = [...this.#adapters.values()].map((served) =>
      inTurn(served, () =>
        isFree(served) ? undefined : this.#options.desired.hold(this.#who(served), { seconds: holdSeconds }),
      ),
    );
    for (const renewal of await Promise.allSettled(renewals)) {
      if (renewal.status === 'rejected') {
        this.#options.warn(`adapters could not be held for longer: ${messageOf(renewal.reason)}`);
      }
    }
  }

  #who({ name }: Served): AdapterHolder {
    const { server, holder } = this.#options;
    return { server, adapter: name, holder };
  }

  #warnOf(name: string, error: unknown): void {
    this.#options.warn(`${name} stays on the server for now: ${messageOf(error)}`);
  }
}

/** Asked again after each wait: others change the count meanwhile. */
const isFree = (served: Served): boolean => served.holders === 0;

/** Loads, probes, renewals and unloads of one adapter never overlap within a process. A failure is its own caller's alone. */
async function inTurn(served: Served, work: () => Promise<void> | undefined): Promise<void> {
  const mine = served.turn.then(work);
  served.turn = mine.catch(() => undefined);
  await mine;
}

/** The model as its holder asks it: an adapter that is gone is loaded again, once for all who miss it. */
function withReload(asked: AskableModel, served: Served, ensureLoaded: () => Promise<void>): AskableModel {
  const ask = <T>(question: () => Promise<T>): Promise<T> => {
    let { generation } = served;
    return retryWhenEvicted(
      asked.name,
      () => {
        generation = served.generation;
        return question();
      },
      () => inTurn(served, () => (served.generation === generation ? ensureLoaded() : undefined)),
    );
  };
  return {
    name: asked.name,
    generate: (prompt, sampling) => ask(() => asked.generate(prompt, sampling)),
    logLikelihood: (prompt, continuation) => ask(() => asked.logLikelihood(prompt, continuation)),
  };
}
