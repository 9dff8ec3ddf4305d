import { failure, servedName, type ModelRef } from '../contract/index.js';
import type { AdapterOwner } from './adapter-owner.js';
import type { EffectProbe } from './effect-probe.js';
import type { AskableModel, ModelServer } from './model-server.js';

/** Models and adapters that a refusal names. */
const namesShown = 5;

/** Models of a server for as long as a piece of work asks them. Which adapters the server has is its owner's business. */
export class ModelLeases {
  readonly #server: ModelServer;
  readonly #owner: AdapterOwner;
  readonly #bases = new Set<string>();

  constructor(server: ModelServer, owner: AdapterOwner) {
    this.#server = server;
    this.#owner = owner;
  }

  /**
   * A base as the server has it. The server's list is read once: what belongs to another server is never asked of this one.
   * @throws ServerRefused where it has another
   */
  async base(name: string, signal: AbortSignal): Promise<AskableModel> {
    const server = this.#server.withSignal(signal);
    if (!this.#bases.has(name)) {
      const served = await server.models();
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
    return server.model(name);
  }

  /**
   * Runs `work` with the model served: the base as it is, a stack as its top's concatenated adapter, after the layers below
   * it.
   * @throws AdapterNotApplied (retryable) where the server answers as if the top layer were not there
   */
  async withModel<T>(
    model: ModelRef,
    probes: EffectProbe[],
    signal: AbortSignal,
    work: (asked: AskableModel) => Promise<T>,
  ): Promise<T> {
    const top = model.stack.at(-1);
    if (top === undefined) return work(await this.base(model.base, signal));
    const withoutTop = { ...model, stack: model.stack.slice(0, -1) };
    return this.withModel(withoutTop, probes, signal, async (below) => {
      const need = { name: servedName(model), base: model.base, artifact: top.served, below, probes };
      const { asked, release } = await this.#owner.hold(need, signal);
      try {
        return await work(asked);
      } finally {
        await release();
      }
    });
  }
}
