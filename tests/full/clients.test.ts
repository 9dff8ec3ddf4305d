import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execa } from 'execa';
import OpenAI, { BadRequestError, NotFoundError } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InferenceClient } from '../../src/inference/index.js';
import { repoRoot } from '../../src/stack/layout.js';
import { startRunner, writeTinyAdapters, type TestRunner } from '../support/runner.js';

// The gpu-runner as other people's clients meet it. Those in Python have their own environment, which
// `npm run test:full` makes where the package index offers them.

/** With a slash, as a released policy's name. */
const adapter = 'demo/policy';
const clientsVenv = process.env['SELKIE_CLIENTS_VENV'];

let root: string;
let runner: TestRunner;
let openai: OpenAI;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'selkie-clients-'));
  const store = join(root, 'store');
  const folder = join(store, 'adapter');
  await writeTinyAdapters([{ folder, seed: 1, size: 0.3 }]);
  runner = await startRunner(join(root, 'runner'), store);
  await new InferenceClient({ baseUrl: runner.baseUrl }).loadAdapter(adapter, folder);
  openai = new OpenAI({ baseURL: runner.baseUrl, apiKey: 'none', maxRetries: 0 });
});
afterAll(async () => {
  await runner.stop();
  await rm(root, { recursive: true });
});

describe('openai for Node', () => {
  const settings = { temperature: 1, seed: 7, max_tokens: 16 };
  const messages = [{ role: 'user' as const, content: 'Where do selkies live?' }];

  it.each(['tiny', adapter])('chats with %s, in one piece and as a stream', async (model) => {
    const whole = await openai.chat.completions.create({ model, messages, ...settings, logprobs: true });
    const stream = openai.chat.completions.stream({
      ...{ model, messages, ...settings },
      stream_options: { include_usage: true },
    });
    let text = '';
    stream.on('content', (delta) => (text += delta));
    const final = await stream.finalChatCompletion();
    expect(text).toBe(whole.choices[0]?.message.content);
    expect(final.choices[0]?.message.content).toBe(text);
    expect(final.choices[0]?.finish_reason).toBe(whole.choices[0]?.finish_reason);
    expect(final.usage).toEqual(whole.usage);
    expect(whole.choices[0]?.logprobs?.content).toHaveLength(whole.usage?.completion_tokens ?? 0);
  });

  it('completes prompts, in one piece and as a stream', async () => {
    const asked = { model: 'tiny', prompt: ['sea', 'seal'], ...settings };
    const whole = await openai.completions.create(asked);
    const texts = whole.choices.map(() => '');
    for await (const { choices } of await openai.completions.create({ ...asked, stream: true })) {
      for (const { index, text } of choices) texts[index] = `${texts[index] ?? ''}${text}`;
    }
    expect(texts).toEqual(whole.choices.map(({ text }) => text));
  });

  it('breaks off a stream', async () => {
    for (let times = 0; times < 3; times += 1) {
      const stream = await openai.chat.completions.create({ model: 'tiny', messages, stream: true });
      for await (const chunk of stream) {
        expect(chunk.object).toBe('chat.completion.chunk');
        break;
      }
    }
    expect((await openai.chat.completions.create({ model: 'tiny', messages, ...settings })).object).toBe(
      'chat.completion',
    );
  });

  it('lists models and finds one by its name', async () => {
    expect((await openai.models.list()).data.map(({ id }) => id)).toEqual(['tiny', adapter]);
    expect((await openai.models.retrieve(adapter)).id).toBe(adapter);
  });

  it('tells what is refused and what is not there', async () => {
    await expect(openai.models.retrieve('other')).rejects.toThrow(NotFoundError);
    await expect(openai.embeddings.create({ model: 'tiny', input: 'sea' })).rejects.toThrow(/no \/v1\/embeddings/);
    const tools = [{ type: 'function' as const, function: { name: 'f' } }];
    const refused = openai.chat.completions.create({ model: 'tiny', messages, tools });
    await expect(refused).rejects.toThrow(BadRequestError);
    await expect(refused).rejects.toThrow(/tools: this server calls no tools/);
  });
});

describe.skipIf(clientsVenv === undefined)('clients in Python', () => {
  it.each(['openai', 'litellm', 'lm_eval'])('%s', async (client) => {
    const folder = join(repoRoot, 'tests', 'clients');
    const run = await execa(
      join(resolve(repoRoot, clientsVenv ?? ''), 'bin', 'python'),
      ['-m', 'pytest', '-q', '-p', 'no:cacheprovider', '-W', 'ignore', `${client}_test.py`],
      { cwd: folder, env: { SELKIE_TEST_SERVER: runner.baseUrl }, all: true, reject: false },
    );
    expect(run.exitCode, run.all).toBe(0);
  });
});
