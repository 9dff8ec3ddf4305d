import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeModelServer } from '../../tests/support/fake-model-server.js';
import { MemoryAdapters } from '../../tests/support/memory-adapters.js';
import { servedName, type AdapterRef, type ModelRef } from '../contract/index.js';
import { AdapterOwner } from './adapter-owner.js';
import { InferenceClient } from './client.js';
import { ModelLeases } from './leases.js';
import { probeEffect } from './effect-probe.js';
import type { AskableModel } from './model-server.js';

const digest = (letter: string): string => letter.repeat(64);
const adapter = (letter: string): AdapterRef => {
  const sha256 = digest(letter);
  const artifact = { uri: `artifact:sha256/${sha256}`, sha256, bytes: 1, mediaType: 'application/vnd.selkie.peft' };
  return { layer: artifact, served: artifact, rank: 8 };
};
const stacked = (...letters: string[]): ModelRef => ({
  base: 'base',
  baseDigest: digest('0'),
  stack: letters.map(adapter),
});
const probes = [{ prompt: { kind: 'text', text: 'Selkies live' } as const, continuation: ' in the sea' }];
const signal = new AbortController().signal;
const greedy = { maxTokens: 8, temperature: 0 };
const ask = async (asked: AskableModel): Promise<string | undefined> =>
  (await asked.generate({ kind: 'text', text: 'where?' }, greedy)).texts[0];

let server: FakeModelServer;
let desired: MemoryAdapters;
let warnings: string[];
let workers = 0;

/** The leases of another worker on the same server. */
const leases = (): ModelLeases => {
  workers += 1;
  const client = new InferenceClient({ baseUrl: server.baseUrl, timeoutMs: 2000 });
  const owner = new AdapterOwner(client, {
    desired,
    server: 'llm',
    holder: `worker ${workers}`,
    folderOf: ({ sha256 }) => Promise.resolve(`/store/${sha256}`),
    warn: (message) => warnings.push(message),
  });
  return new ModelLeases(client, owner);
};

beforeEach(async () => {
  warnings = [];
  desired = new MemoryAdapters();
  server = await FakeModelServer.start({ base: 'base' });
});
afterEach(async () => {
  await server.stop();
});

describe('a lease', () => {
  it('asks the base as it is', async () => {
    expect(await leases().withModel(stacked(), probes, signal, ask)).toBe('base answers where?');
    expect(server.asked('/v1/load_lora_adapter')).toEqual([]);
  });

  it('loads by digest, probes, asks and unloads', async () => {
    const name = servedName(stacked('a'));
    const answer = await leases().withModel(stacked('a'), probes, signal, async (asked) => {
      expect(server.adapters.get(name)).toBe(`/store/${digest('a')}`);
      return ask(asked);
    });
    expect(answer).toBe(`${name} answers where?`);
    expect(server.adapters.size).toBe(0);
    expect(warnings).toEqual([]);
  });

  it('holds the layers below while the top is asked, and probes each against the one below', async () => {
    await leases().withModel(stacked('a', 'b'), probes, signal, async () => {
      expect([...server.adapters.keys()]).toEqual([servedName(stacked('a')), servedName(stacked('b'))]);
      return Promise.resolve();
    });
    const probed = server.asked('/v1/completions').map(({ model }) => model);
    const [below, top] = [servedName(stacked('a')), servedName(stacked('b'))];
    expect(probed).toEqual(['base', below, 'base', below, top, below]);
    expect(server.adapters.size).toBe(0);
  });

  it('loads and probes once for many leases at once, and unloads after the last', async () => {
    const held = leases();
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => held.withModel(stacked('a'), probes, signal, ask)),
    );
    expect(new Set(answers).size).toBe(1);
    expect(server.asked('/v1/load_lora_adapter')).toHaveLength(1);
    expect(server.asked('/v1/unload_lora_adapter')).toHaveLength(1);
    await held.withModel(stacked('a'), probes, signal, ask);
    expect(server.asked('/v1/load_lora_adapter')).toHaveLength(2);
  });

  it('takes an adapter that is there already, and leaves it there: it may be a policy that others ask', async () => {
    server.adapters.set(servedName(stacked('a')), 'elsewhere');
    await leases().withModel(stacked('a'), probes, signal, ask);
    expect(server.asked('/v1/load_lora_adapter')).toEqual([]);
    expect(server.adapters.size).toBe(1);
  });

  it('refuses an adapter that the server accepts and does not apply, and evicts it', async () => {
    server.appliesAdapters = false;
    const held = leases();
    await expect(held.withModel(stacked('a'), probes, signal, ask)).rejects.toMatchObject({
      type: 'AdapterNotApplied',
      nonRetryable: false,
    });
    expect(server.adapters.size).toBe(0);
    server.appliesAdapters = true;
    await expect(held.withModel(stacked('a'), probes, signal, ask)).resolves.toContain('selkie--');
  });

  it('brings back an adapter that was evicted meanwhile, once for all who miss it', async () => {
    const answers = await leases().withModel(stacked('a'), probes, signal, (asked) => {
      server.adapters.clear();
      return Promise.all([ask(asked), ask(asked), ask(asked)]);
    });
    expect(new Set(answers)).toEqual(new Set([`${servedName(stacked('a'))} answers where?`]));
    expect(server.asked('/v1/load_lora_adapter')).toHaveLength(2);
  });

  it('shares a policy with another worker, whose leases end while it asks', async () => {
    const [policy, trial] = [stacked('a'), stacked('a', 'b')];
    const name = servedName(policy);
    server.delayMs = 1;
    const worker = async (held: ModelLeases, turns: number): Promise<(string | undefined)[]> => {
      const answers: (string | undefined)[] = [];
      for (let turn = 0; turn < turns; turn += 1) {
        // each turn ends its lease, while the other worker may still ask
        answers.push(
          ...(await held.withModel(policy, probes, signal, (asked) => Promise.all([ask(asked), ask(asked)]))),
        );
        await held.withModel(trial, probes, signal, ask);
      }
      return answers;
    };
    const answers = await Promise.all([worker(leases(), 5), worker(leases(), 5)]);
    expect(new Set(answers.flat())).toEqual(new Set([`${name} answers where?`]));
    expect(warnings).toEqual([]);
  });

  it('loads again what another worker unloads before it is probed', async () => {
    server.evictAfterLoad = 1;
    await leases().withModel(stacked('a'), probes, signal, ask);
    expect(server.asked('/v1/load_lora_adapter')).toHaveLength(2);
    expect(server.adapters.size).toBe(0);
  });

  it('says so where the server has another base', async () => {
    const strange = { ...stacked('a'), base: 'elsewhere' };
    await expect(leases().withModel(strange, probes, signal, ask)).rejects.toMatchObject({
      type: 'ServerRefused',
      message: expect.stringContaining('`elsewhere` does not exist') as string,
    });
    expect(server.adapters.size).toBe(0);
  });

  it('gives up, retryably, where the adapter vanishes again and again', async () => {
    const work = leases().withModel(stacked('a'), probes, signal, (asked) => {
      server.failNext({ kind: 'status', status: 404 }, { path: '/chat/completions', times: 9 });
      return asked.generate({ kind: 'chat', messages: [{ role: 'user', content: 'x' }] }, greedy);
    });
    await expect(work).rejects.toMatchObject({ type: 'AdapterNotApplied', nonRetryable: false });
  });

  it('unloads what a cancelled lease held, and fails nothing where it cannot', async () => {
    const cancel = new AbortController();
    const held = leases();
    const work = held.withModel(stacked('a'), probes, cancel.signal, async (asked) => {
      cancel.abort(new Error('cancelled'));
      return ask(asked);
    });
    await expect(work).rejects.toThrow('cancelled');
    expect(server.adapters.size).toBe(0);
    server.failNext({ kind: 'status', status: 500 }, { path: '/unload_lora_adapter' });
    await held.withModel(stacked('a'), probes, signal, ask);
    expect(warnings).toHaveLength(1);
  });

  it('unloads what a killed worker left behind, and nothing that is wanted or that no worker loaded', async () => {
    for (const name of ['selkie--left', 'selkie--policy', 'selkie--by-hand', 'another'])
      server.adapters.set(name, '/x');
    const killed = { server: 'llm', adapter: 'selkie--left', holder: 'killed' };
    await desired.hold(killed, { seconds: -600, loads: true });
    await desired.hold({ ...killed, adapter: 'selkie--policy' }, { seconds: -600, loads: true });
    await desired.hold({ server: 'llm', adapter: 'selkie--policy', holder: 'a gateway' }, {});
    await leases().withModel(stacked('a'), probes, signal, ask);
    expect([...server.adapters.keys()]).toEqual(['selkie--policy', 'selkie--by-hand', 'another']);
    expect(await desired.drop(killed)).toBe(false);
  });

  it('leaves an adapter to a worker that still holds it, which unloads it after its own lease', async () => {
    const [one, other] = [leases(), leases()];
    await one.withModel(stacked('a'), probes, signal, async (asked) => {
      await other.withModel(stacked('a'), probes, signal, ask);
      await other.withModel(stacked('a', 'b'), probes, signal, ask);
      await ask(asked);
      expect([...server.adapters.keys()]).toEqual([servedName(stacked('a'))]);
    });
    expect(server.adapters.size).toBe(0);
    expect(server.asked('/v1/load_lora_adapter')).toHaveLength(2);
  });

  it('goes on holding what it asks for longer than a hold lasts', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      const held = leases();
      await held.withModel(stacked('a'), probes, signal, async () => {
        for (let minutes = 0; minutes < 20; minutes += 1) {
          desired.aheadMs += 60_000;
          await vi.advanceTimersByTimeAsync(60_000);
        }
        await leases().withModel(stacked('b'), probes, signal, ask);
        expect([...server.adapters.keys()]).toEqual([servedName(stacked('a'))]);
      });
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('fails nothing where the desired state is away at the end, and leaves the adapter for later', async () => {
    await leases().withModel(stacked('a'), probes, signal, () => {
      vi.spyOn(desired, 'drop').mockRejectedValueOnce(new Error('the ledger is away'));
      return Promise.resolve();
    });
    expect(warnings).toEqual([`${servedName(stacked('a'))} stays on the server for now: the ledger is away`]);
    desired.aheadMs += 600_000;
    await leases().withModel(stacked('b'), probes, signal, ask);
    expect(server.adapters.size).toBe(0);
  });
});

describe('probeEffect', () => {
  const scripted = (name: string, readings: number[][]): AskableModel => ({
    name,
    generate: () => expect.fail('a probe generates nothing'),
    logLikelihood: () => {
      const perToken = readings.shift() ?? expect.fail(`the script of ${name} is over`);
      return Promise.resolve({ sum: 0, mean: 0, tokens: perToken.length, perToken });
    },
  });

  it.each([
    [
      'equal answers',
      [
        [-1, -2],
        [-1, -2],
      ],
      [[-1, -2]],
      false,
    ],
    [
      'one token moved',
      [
        [-1, -2],
        [-1, -2],
      ],
      [[-1, -2.01]],
      true,
    ],
    [
      'rounding only',
      [
        [-1, -2],
        [-1, -2],
      ],
      [[-1, -2.000001]],
      false,
    ],
    [
      'a move within the noise',
      [
        [-1, -2],
        [-1, -2.02],
      ],
      [[-1, -2.03]],
      false,
    ],
    [
      'a move beyond the noise',
      [
        [-1, -2],
        [-1, -2.02],
      ],
      [[-1, -2.5]],
      true,
    ],
  ])('%s', async (_name, below, adapted, applied) => {
    expect((await probeEffect(scripted('below', below), scripted('adapted', adapted), probes)).applied).toBe(applied);
  });
});
