import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeModelServer } from '../../tests/support/fake-model-server.js';
import { servedName, type AdapterRef, type ModelRef } from '../contract/index.js';
import { InferenceClient, type AskableModel } from './client.js';
import { AdapterLeases, type LeaseOptions } from './leases.js';
import { probeEffect } from './effect-probe.js';

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
let warnings: string[];

const leases = (leftBehind: LeaseOptions['leftBehind'] = () => Promise.resolve([])): AdapterLeases =>
  new AdapterLeases(new InferenceClient({ baseUrl: server.baseUrl, timeoutMs: 2000 }), {
    folderOf: ({ sha256 }) => Promise.resolve(`/store/${sha256}`),
    warn: (message) => warnings.push(message),
    leftBehind,
  });

beforeEach(async () => {
  warnings = [];
  server = await FakeModelServer.start({ base: 'base' });
});
afterEach(async () => {
  await server.stop();
});

describe('withAdapter', () => {
  it('asks the base as it is', async () => {
    expect(await leases().withAdapter(stacked(), probes, signal, ask)).toBe('base answers where?');
    expect(server.asked('/v1/load_lora_adapter')).toEqual([]);
  });

  it('loads by digest, probes, asks and unloads', async () => {
    const name = servedName(stacked('a'));
    const answer = await leases().withAdapter(stacked('a'), probes, signal, async (asked) => {
      expect(server.adapters.get(name)).toBe(`/store/${digest('a')}`);
      return ask(asked);
    });
    expect(answer).toBe(`${name} answers where?`);
    expect(server.adapters.size).toBe(0);
    expect(warnings).toEqual([]);
  });

  it('holds the layers below while the top is asked, and probes each against the one below', async () => {
    await leases().withAdapter(stacked('a', 'b'), probes, signal, async () => {
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
      Array.from({ length: 5 }, () => held.withAdapter(stacked('a'), probes, signal, ask)),
    );
    expect(new Set(answers).size).toBe(1);
    expect(server.asked('/v1/load_lora_adapter')).toHaveLength(1);
    expect(server.asked('/v1/unload_lora_adapter')).toHaveLength(1);
    await held.withAdapter(stacked('a'), probes, signal, ask);
    expect(server.asked('/v1/load_lora_adapter')).toHaveLength(2);
  });

  it('takes an adapter that is there already, and leaves it there: it may be a policy that others ask', async () => {
    server.adapters.set(servedName(stacked('a')), 'elsewhere');
    await leases().withAdapter(stacked('a'), probes, signal, ask);
    expect(server.asked('/v1/load_lora_adapter')).toEqual([]);
    expect(server.adapters.size).toBe(1);
  });

  it('refuses an adapter that the server accepts and does not apply, and evicts it', async () => {
    server.appliesAdapters = false;
    const held = leases();
    await expect(held.withAdapter(stacked('a'), probes, signal, ask)).rejects.toMatchObject({
      type: 'AdapterNotApplied',
      nonRetryable: false,
    });
    expect(server.adapters.size).toBe(0);
    server.appliesAdapters = true;
    await expect(held.withAdapter(stacked('a'), probes, signal, ask)).resolves.toContain('selkie--');
  });

  it('brings back an adapter that was evicted meanwhile, once for all who miss it', async () => {
    const answers = await leases().withAdapter(stacked('a'), probes, signal, (asked) => {
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
    const worker = async (held: AdapterLeases, turns: number): Promise<(string | undefined)[]> => {
      const answers: (string | undefined)[] = [];
      for (let turn = 0; turn < turns; turn += 1) {
        // each turn ends its lease, which unloads the policy under the other worker's questions
        answers.push(
          ...(await held.withAdapter(policy, probes, signal, (asked) => Promise.all([ask(asked), ask(asked)]))),
        );
        await held.withAdapter(trial, probes, signal, ask);
      }
      return answers;
    };
    const answers = await Promise.all([worker(leases(), 5), worker(leases(), 5)]);
    expect(new Set(answers.flat())).toEqual(new Set([`${name} answers where?`]));
    expect(warnings).toEqual([]);
  });

  it('loads again what another worker unloads before it is probed', async () => {
    server.evictAfterLoad = 1;
    await leases().withAdapter(stacked('a'), probes, signal, ask);
    expect(server.asked('/v1/load_lora_adapter')).toHaveLength(2);
    expect(server.adapters.size).toBe(0);
  });

  it('says so where the server has another base', async () => {
    const strange = { ...stacked('a'), base: 'elsewhere' };
    await expect(leases().withAdapter(strange, probes, signal, ask)).rejects.toMatchObject({
      type: 'ServerRefused',
      message: expect.stringContaining('`elsewhere` does not exist') as string,
    });
    expect(server.adapters.size).toBe(0);
  });

  it('gives up, retryably, where the adapter vanishes again and again', async () => {
    const work = leases().withAdapter(stacked('a'), probes, signal, (asked) => {
      server.failNext({ kind: 'status', status: 404 }, { path: '/chat/completions', times: 9 });
      return asked.generate({ kind: 'chat', messages: [{ role: 'user', content: 'x' }] }, greedy);
    });
    await expect(work).rejects.toMatchObject({ type: 'AdapterNotApplied', nonRetryable: false });
  });

  it('unloads what a cancelled lease held, and fails nothing where it cannot', async () => {
    const cancel = new AbortController();
    const held = leases();
    const work = held.withAdapter(stacked('a'), probes, cancel.signal, async (asked) => {
      cancel.abort(new Error('cancelled'));
      return ask(asked);
    });
    await expect(work).rejects.toThrow('cancelled');
    expect(server.adapters.size).toBe(0);
    server.failNext({ kind: 'status', status: 500 }, { path: '/unload_lora_adapter' });
    await held.withAdapter(stacked('a'), probes, signal, ask);
    expect(warnings).toHaveLength(1);
  });

  it('evicts what was left behind, and nothing else that it does not hold', async () => {
    const left = ['selkie--left-behind', servedName(stacked('b'))];
    const lookedUp: string[][] = [];
    server.adapters.set('selkie--left-behind', '/x').set('selkie--a-policy', '/y').set('somebody-elses', '/z');
    const held = leases((names) => {
      lookedUp.push(names);
      return Promise.resolve(left);
    });
    await held.withAdapter(stacked('b'), probes, signal, async () => {
      await held.withAdapter(stacked('a'), probes, signal, ask);
      expect([...server.adapters.keys()]).toEqual(['selkie--a-policy', 'somebody-elses', servedName(stacked('b'))]);
    });
    expect(lookedUp).toEqual([['selkie--left-behind', 'selkie--a-policy'], ['selkie--a-policy']]);
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
