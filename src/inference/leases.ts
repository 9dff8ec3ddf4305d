import { messageOf } from '../lib/error-message.js';
import { failure, servedDigestOf, servedName, type ArtifactRef, type ModelRef } from '../contract/index.js';
import type { AskableModel, InferenceClient } from './client.js';
import { tagEvictions, retryWhenEvicted } from './evicted.js';
import { probeEffect, type Effect, type EffectProbe } from './effect-probe.js';

export interface LeaseOptions {
  /** where an adapter's PEFT directory lies, for the server to read */
  folderOf: (adapter: ArtifactRef) => Promise<string>;
  /** told what went wrong without harm */
  warn: (message: string) => void;
  /** of adapters that the server has and nobody here holds: those that killed workers left behind */
  leftBehind: (names: string[]) => Promise<string[]>;
}

/** Models and adapters that a refusal names. */
const namesShown = 5;

interface Held {
  holders: number;
  /** and not by others, who may go on serving it */
  loadedHere: boolean;
  /** shown to take effect */
  applied: boolean;
  /** counts the loads, so that many questions that met one eviction cause one reload */
  generation: number;
  /** the end of the queue of those who load, probe or unload this adapter */
  turn: Promise<unknown>;
}

/**
 * Which adapters this process has on a server. An adapter is loaded by its digest's name when its first lease begins, shown
 * to take effect, and unloaded when its last lease ends, unless it was there already.
 *
 * Several workers may use one server, and none knows what another holds. They need no common lease book, because names are
 * immutable content digests: loading twice is harmless, and an adapter that another worker (or the server) evicted answers
 * 404, never wrongly, whereupon its holder loads and probes it again. What killed workers left behind is unloaded, and
 * nothing else that is not held here: a policy may be served to others.
 */
export class AdapterLeases {
  readonly #client: InferenceClient;
  readonly #options: LeaseOptions;
  readonly #adapters = new Map<string, Held>();
  readonly #bases = new Set<string>();

  constructor(client: InferenceClient, options: LeaseOptions) {
    this.#client = client;
    this.#options = options;
  }

  /**
   * A base as the server has it. Its list is asked once: what belongs to another server is never asked of this one.
   * @throws ServerRefused where it has another
   */
  async base(name: string, signal: AbortSignal): Promise<AskableModel> {
    const client = this.#client.withSignal(signal);
    if (!this.#bases.has(name)) {
      const served = await client.models();
      if (!served.includes(name)) {
        const models = served.slice(0, namesShown).map((one) => `"${one}"`);
        throw failure(
          'ServerRefused',
          `\`${name}\` does not exist on the model server of this worker, which has ${models.join(', ') || 'none'}: ` +
            'start a worker of that model, with SELKIE_MODEL and SELKIE_INFERENCE_URL',
        );
      }
      this.#bases.add(name);
    }
    return client.model(name);
  }

  /**
   * Runs `work` with the model served: the base as it is, a stack as its top's concatenated adapter, after the layers below
   * it. Throws `AdapterNotApplied` (retryable) where the server answers as if the top layer were not there.
   */
  async withAdapter<T>(
    model: ModelRef,
    probes: EffectProbe[],
    signal: AbortSignal,
    work: (asked: AskableModel) => Promise<T>,
  ): Promise<T> {
    const top = model.stack.at(-1);
    if (top === undefined) return work(await this.base(model.base, signal));
    const client = this.#client.withSignal(signal);
    const withoutTop = { ...model, stack: model.stack.slice(0, -1) };
    return this.withAdapter(withoutTop, probes, signal, async (below) => {
      const name = servedName(model);
      const asked = tagEvictions(client.model(name, model.base));
      const held = this.#hold(name);
      const ensureLoaded = () => this.#bring(held, client, asked, below, top.served, probes);
      try {
        await inTurn(held, () => (held.applied ? undefined : ensureLoaded()));
        return await work(withReload(asked, held, ensureLoaded));
      } finally {
        await this.#release(name, held);
      }
    });
  }

  #hold(name: string): Held {
    const held = this.#adapters.get(name) ?? {
      holders: 0,
      loadedHere: false,
      applied: false,
      generation: 0,
      turn: Promise.resolve(),
    };
    held.holders += 1;
    this.#adapters.set(name, held);
    return held;
  }

  async #bring(
    held: Held,
    client: InferenceClient,
    asked: AskableModel,
    below: AskableModel,
    adapter: ArtifactRef,
    probes: EffectProbe[],
  ): Promise<void> {
    held.applied = false;
    const load = async (): Promise<Effect> => {
      const served = await client.models();
      await this.#evictLeftovers(served);
      if (!served.includes(asked.name)) {
        // said before it is true: a load that is cancelled midway may have happened
        held.loadedHere = true;
        await client.loadAdapter(asked.name, await this.#options.folderOf(adapter));
      }
      return probeEffect(below, asked, probes);
    };
    const found = await retryWhenEvicted(asked.name, load);
    if (!found.applied) {
      // a server that lost an adapter's weights but not its name needs a real load next time
      await client.unloadAdapter(asked.name);
      held.loadedHere = false;
      throw failure(
        'AdapterNotApplied',
        `the server took the adapter ${asked.name} but answers as ${below.name} does: ` +
          `log-probabilities differ by ${found.effect}, equal calls by ${found.noise}`,
      );
    }
    held.applied = true;
    held.generation += 1;
  }

  /** The activity may have been cancelled: the adapter is unloaded all the same, and a failure to do so fails nothing. */
  async #release(name: string, held: Held): Promise<void> {
    held.holders -= 1;
    await inTurn(held, async () => {
      if (!isFree(held)) return;
      held.applied = false;
      if (held.loadedHere) await this.#unload(name);
      held.loadedHere = false;
      // somebody may have come while it was unloaded
      if (isFree(held)) this.#adapters.delete(name);
    });
  }

  async #evictLeftovers(served: string[]): Promise<void> {
    const strange = served.filter((name) => servedDigestOf(name) !== null && !this.#adapters.has(name));
    if (strange.length === 0) return;
    for (const name of await this.#options.leftBehind(strange)) {
      // somebody may have come while it was looked up
      if (!this.#adapters.has(name)) await this.#unload(name);
    }
  }

  async #unload(name: string): Promise<void> {
    try {
      await this.#client.unloadAdapter(name);
    } catch (error) {
      this.#options.warn(`${name} stays on the server for now: ${messageOf(error)}`);
    }
  }
}

/** Asked anew after each wait: others change the count meanwhile. */
const isFree = (held: Held): boolean => held.holders === 0;

/** Loads, probes and unloads of one adapter never overlap within a process. A failure is its own caller's alone. */
async function inTurn(held: Held, work: () => Promise<void> | undefined): Promise<void> {
  const mine = held.turn.then(work);
  held.turn = mine.catch(() => undefined);
  await mine;
}

/** The model as its lease holder asks it: an adapter that is gone is brought back, once for all who miss it. */
function withReload(asked: AskableModel, held: Held, bring: () => Promise<void>): AskableModel {
  const ask = <T>(question: () => Promise<T>): Promise<T> => {
    let { generation } = held;
    return retryWhenEvicted(
      asked.name,
      () => {
        generation = held.generation;
        return question();
      },
      () => inTurn(held, () => (held.generation === generation ? bring() : undefined)),
    );
  };
  return {
    name: asked.name,
    generate: (prompt, sampling) => ask(() => asked.generate(prompt, sampling)),
    logLikelihood: (prompt, continuation) => ask(() => asked.logLikelihood(prompt, continuation)),
  };
}
