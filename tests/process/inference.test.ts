import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ArtifactStore } from '../../src/artifacts/index.js';
import { mediaTypes, servedName, type AdapterRef, type ModelRef, type Prompt } from '../../src/contract/index.js';
import {
  AdapterOwner,
  InferenceClient,
  ModelLeases,
  type AskableModel,
  type OwnerOptions,
} from '../../src/inference/index.js';
import { MemoryAdapters } from '../support/memory-adapters.js';
import { startRunner, writeTinyAdapters, type TestRunner } from '../support/runner.js';

// the client and the leases against the real gpu-runner, on a tiny model with random weights

let root: string;
let store: ArtifactStore;
let runner: TestRunner;
let client: InferenceClient;
let leases: ModelLeases;
let one: AdapterRef;
let other: AdapterRef;
let idle: AdapterRef;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'selkie-inference-'));
  store = new ArtifactStore(join(root, 'store'));
  runner = await startRunner(join(root, 'runner'), store.root);
  client = new InferenceClient({ baseUrl: runner.baseUrl, timeoutMs: 60_000 });
  leases = leasesFrom(async (adapter) => (await store.open(adapter)).folder);
  [one, other, idle] = (await publish(0.3, 0.3, 0)) as [AdapterRef, AdapterRef, AdapterRef];
});
afterAll(async () => {
  await runner.stop();
  await rm(root, { recursive: true });
});

function leasesFrom(folderOf: OwnerOptions['folderOf']): ModelLeases {
  const desired = new MemoryAdapters();
  const owner = new AdapterOwner(client, {
    desired,
    server: 'llm',
    holder: 'test',
    folderOf,
    warn: (message) => expect.fail(message),
  });
  return new ModelLeases(client, owner);
}

/** In the store, an adapter for each size of its weights. */
async function publish(...sizes: number[]): Promise<AdapterRef[]> {
  const written = sizes.map((size, seed) => ({ folder: join(root, `adapter-${seed}`), seed, size }));
  await writeTinyAdapters(written);
  const files = ['adapter_config.json', 'adapter_model.safetensors'];
  return Promise.all(
    written.map(async ({ folder }) => {
      const contents = await Promise.all(
        files.map(async (file) => [file, await readFile(join(folder, file))] as const),
      );
      const artifact = await store.put(mediaTypes.adapter, Object.fromEntries(contents));
      return { layer: artifact, served: artifact, rank: 4 };
    }),
  );
}

const modelOf = (...stack: AdapterRef[]): ModelRef => ({ base: 'tiny', baseDigest: runner.digest, stack });
const text: Prompt = { kind: 'text', text: 'Selkies live in' };
const chat: Prompt = { kind: 'chat', messages: [{ role: 'user', content: 'Where do selkies live?' }] };
const probes = [{ prompt: chat, continuation: 'In the sea.' }];
const signal = new AbortController().signal;
const greedy = { maxTokens: 12, temperature: 0 };
const answerOf = async (asked: AskableModel): Promise<string> => (await asked.generate(chat, greedy)).texts.join();

describe('the client on the gpu-runner', () => {
  it('generates, greedy and sampled by seed', async () => {
    for (const prompt of [text, chat]) {
      const first = await client.generate('tiny', prompt, greedy);
      expect(first.completionTokens).toBeGreaterThan(0);
      expect(await client.generate('tiny', prompt, greedy)).toEqual(first);
    }
    const sampled = { maxTokens: 12, temperature: 1, topP: 0.9, seed: 3, n: 2 };
    const { texts } = await client.generate('tiny', chat, sampled);
    expect((await client.generate('tiny', chat, sampled)).texts).toEqual(texts);
    expect((await client.generate('tiny', chat, { ...sampled, seed: 4 })).texts).not.toEqual(texts);
  });

  it('reads log-probabilities of the continuation alone: one after the other they add up', async () => {
    const whole = await client.logLikelihood('tiny', text, ' the sea');
    // the tiny model's tokens are bytes
    expect(whole.tokens).toBe(8);
    expect(whole.sum).toBeLessThan(0);
    const head = await client.logLikelihood('tiny', text, ' the');
    const tail = await client.logLikelihood('tiny', { kind: 'text', text: `${text.text} the` }, ' sea');
    expect(head.sum + tail.sum).toBeCloseTo(whole.sum, 3);
    expect((await client.logLikelihood('tiny', chat, 'In the sea.')).tokens).toBe(11);
  });

  it('is told that a prompt is too long, and that a model is not there, for good', async () => {
    const long: Prompt = { kind: 'text', text: 'sea '.repeat(400) };
    await expect(client.generate('tiny', long, greedy)).rejects.toMatchObject({
      type: 'ServerRefused',
      nonRetryable: true,
      message: expect.stringContaining('maximum context length') as string,
    });
    await expect(client.generate('nobody', text, greedy)).rejects.toMatchObject({ type: 'ServerRefused' });
  });
});

describe('leases on the gpu-runner', () => {
  it('each adapter answers by its own weights, also side by side', async () => {
    const base = await answerOf(client.model('tiny'));
    const answers = await Promise.all(
      [one, other].map((adapter) => leases.withModel(modelOf(adapter), probes, signal, answerOf)),
    );
    expect(new Set([base, ...answers]).size).toBe(3);
    expect(await leases.withModel(modelOf(one), probes, signal, answerOf)).toBe(answers[0]);
    expect(await client.models()).toEqual(['tiny']);
  });

  it('an adapter that changes nothing is found out', async () => {
    await expect(leases.withModel(modelOf(idle), probes, signal, answerOf)).rejects.toMatchObject({
      type: 'AdapterNotApplied',
      nonRetryable: false,
    });
    expect(await client.models()).toEqual(['tiny']);
  });

  it('loads an adapter again that was unloaded, and answers as before', async () => {
    const model = modelOf(one);
    const [before, after] = await leases.withModel(model, probes, signal, async (asked) => {
      const first = await answerOf(asked);
      await client.unloadAdapter(servedName(model));
      return [first, await answerOf(asked)];
    });
    expect(after).toBe(before);
  });

  it('refuses for good what lies outside of the store', async () => {
    const outside = leasesFrom(() => Promise.resolve(root));
    await expect(outside.withModel(modelOf(one), probes, signal, answerOf)).rejects.toMatchObject({
      type: 'ServerRefused',
      message: expect.stringContaining('the server must see the artifact store') as string,
    });
  });
});
