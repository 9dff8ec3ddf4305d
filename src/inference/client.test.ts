import { ApplicationFailure } from '@temporalio/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeModelServer, type Fault } from '../../tests/support/fake-model-server.js';
import { InferenceClient } from './client.js';
import { retryAfterMs } from './errors.js';

const text = { kind: 'text', text: 'Q: Where do selkies live?\nA:' } as const;
const chat = { kind: 'chat', messages: [{ role: 'user', content: 'Where do selkies live?' }] } as const;
const chatPrompt = { kind: chat.kind, messages: [...chat.messages] };
const greedy = { maxTokens: 24, temperature: 0 };

let server: FakeModelServer;
let client: InferenceClient;

beforeEach(async () => {
  server = await FakeModelServer.start({ base: 'base', answer: ({ prompt }) => `In the sea, says ${prompt.length}` });
  client = new InferenceClient({ baseUrl: server.baseUrl, timeoutMs: 2000, patienceMs: 0 });
});
afterEach(() => server.stop());

const thrown = async (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => expect.fail('nothing was thrown'),
    (error: unknown) => error,
  );

describe('generate', () => {
  it('asks a text prompt by completions and a chat prompt by chat completions, with every sampling field', async () => {
    const answer = await client.generate('base', text, greedy);
    expect(answer.texts).toEqual([`In the sea, says ${text.text.length}`]);
    expect(answer.completionTokens).toBe(5);
    const sampling = { maxTokens: 8, temperature: 0.8, topP: 0.9, seed: 7, n: 2, stop: ['\n'] };
    expect((await client.generate('base', chatPrompt, sampling)).texts).toHaveLength(2);
    expect(server.asked('/v1/chat/completions')[0]).toMatchObject({
      model: 'base',
      messages: chat.messages,
      max_tokens: 8,
      temperature: 0.8,
      top_p: 0.9,
      seed: 7,
      n: 2,
      stop: ['\n'],
    });
  });
});

describe('logLikelihood', () => {
  it('covers exactly the tokens of the continuation', async () => {
    for (const prompt of [text, chatPrompt]) {
      const { sum, tokens, mean, perToken } = await client.logLikelihood('base', prompt, ' in the sea');
      expect(tokens).toBe(3);
      expect(perToken).toHaveLength(3);
      expect(sum).toBeCloseTo(perToken.reduce((a, b) => a + b));
      expect(mean).toBeCloseTo(sum / 3);
    }
    expect(server.asked('/tokenize')).toContainEqual({
      model: 'base',
      messages: chat.messages,
      add_generation_prompt: true,
    });
    expect(server.asked('/tokenize')).toContainEqual({
      model: 'base',
      prompt: ' in the sea',
      add_special_tokens: false,
    });
  });

  it('is the same twice and another after another continuation', async () => {
    const first = await client.logLikelihood('base', text, ' in the sea');
    expect(await client.logLikelihood('base', text, ' in the sea')).toEqual(first);
    expect((await client.logLikelihood('base', text, ' on the moon')).sum).not.toBe(first.sum);
  });

  it('has a text tokenised once for a base and all of its adapters', async () => {
    await client.loadAdapter('selkie--1', '/store/1');
    const alone = await client.model('base').logLikelihood(text, ' in the sea');
    const asked = server.asked('/tokenize').length;
    const adapter = client.withSignal(new AbortController().signal).model('selkie--1', 'base');
    expect((await adapter.logLikelihood(text, ' in the sea')).tokens).toBe(alone.tokens);
    expect(server.asked('/tokenize')).toHaveLength(asked);
    await adapter.logLikelihood(text, ' on the moon');
    expect(server.asked('/tokenize')).toHaveLength(asked + 1);
  });
});

describe('adapters', () => {
  it('loads a name once, and unloading what is not there is fine', async () => {
    await client.loadAdapter('selkie--1', '/store/1');
    await client.loadAdapter('selkie--1', '/store/1');
    expect(await client.models()).toEqual(['base', 'selkie--1']);
    await client.unloadAdapter('selkie--1');
    await client.unloadAdapter('selkie--1');
    expect(await client.models()).toEqual(['base']);
  });

  it('does not take a 400 for a load as a duplicate unless the server lists the name', async () => {
    server.failNext({ kind: 'status', status: 400, message: 'rank 48 is not allowed' });
    const error = await thrown(client.loadAdapter('selkie--1', '/store/1'));
    expect(error).toMatchObject({ type: 'ServerRefused', nonRetryable: true });
    expect(String(error)).toContain('rank 48 is not allowed');
  });
});

describe('errors', () => {
  const cases: [string, Fault, { type: string | null; nonRetryable?: boolean; details?: unknown[] }][] = [
    ['bad request', { kind: 'status', status: 400 }, { type: 'ServerRefused', nonRetryable: true }],
    ['bad key', { kind: 'status', status: 401 }, { type: 'ServerRefused', nonRetryable: true }],
    ['no such model', { kind: 'status', status: 404 }, { type: 'ServerRefused', nonRetryable: true }],
    ['unprocessable', { kind: 'status', status: 422 }, { type: 'ServerRefused', nonRetryable: true }],
    [
      'too many requests',
      { kind: 'status', status: 429, headers: { 'retry-after': '7' } },
      { type: 'ServerBusy', details: [{ afterMs: 7000 }] },
    ],
    [
      'overloaded',
      { kind: 'status', status: 503, headers: { 'retry-after': '2' } },
      { type: 'ServerBusy', details: [{ afterMs: 2000 }] },
    ],
    ['no server behind the gateway', { kind: 'status', status: 503 }, { type: 'ServerBusy', details: [{}] }],
    ['overloaded, in other words', { kind: 'status', status: 529 }, { type: 'ServerBusy' }],
    ['a hosted gateway', { kind: 'status', status: 522 }, { type: 'ServerUnavailable' }],
    ['gateway', { kind: 'status', status: 502 }, { type: 'ServerUnavailable', nonRetryable: false }],
    ['broken off', { kind: 'break' }, { type: 'ServerUnavailable', nonRetryable: false }],
    ['server error', { kind: 'status', status: 500 }, { type: null }],
    ['half an answer', { kind: 'truncate' }, { type: null }],
  ];

  it.each(cases)('%s', async (_name, fault, expected) => {
    server.failNext(fault);
    const error = await thrown(client.generate('base', text, greedy));
    if (expected.type === null) {
      expect(error).toBeInstanceOf(Error);
      expect(error).not.toBeInstanceOf(ApplicationFailure);
    } else {
      expect(error).toBeInstanceOf(ApplicationFailure);
      expect(error).toMatchObject(expected);
    }
    expect((await client.generate('base', text, greedy)).texts).toHaveLength(1);
    expect(server.requests).toHaveLength(2);
  });

  it('nobody listens, and no such host', async () => {
    await server.stop();
    expect(await thrown(client.models())).toMatchObject({
      type: 'ServerUnavailable',
      nonRetryable: false,
      message: expect.stringContaining('ECONNREFUSED') as string,
    });
    const nowhere = new InferenceClient({ baseUrl: 'http://selkie.invalid/v1' });
    expect(await thrown(nowhere.models())).toMatchObject({ type: 'ServerUnavailable' });
    server = await FakeModelServer.start({ base: 'base' });
  });

  it('a server that does not speak TLS refuses', async () => {
    const secure = new InferenceClient({ baseUrl: server.baseUrl.replace('http:', 'https:') });
    expect(await thrown(secure.models())).toMatchObject({ type: 'ServerRefused', nonRetryable: true });
  });

  it('a server that takes a request and says nothing is slow, not absent', async () => {
    const impatient = new InferenceClient({ baseUrl: server.baseUrl, timeoutMs: 50 });
    server.failNext({ kind: 'hang' });
    const error = await thrown(impatient.generate('base', text, greedy));
    expect(error).toMatchObject({ type: 'ServerSlow', nonRetryable: false });
    expect(String(error)).toContain('within 0.05 s');
  });

  it("a cancelled request throws the cancellation's own reason", async () => {
    const cancel = new AbortController();
    server.failNext({ kind: 'hang' });
    const asking = thrown(client.withSignal(cancel.signal).generate('base', text, greedy));
    const reason = new Error('the round was cancelled');
    setTimeout(() => cancel.abort(reason), 20);
    expect(await asking).toBe(reason);
  });

  it('keeps the key out of messages', async () => {
    const keyed = new InferenceClient({ baseUrl: server.baseUrl, apiKey: 'sk-very-secret' });
    server.failNext({ kind: 'status', status: 401, message: 'Incorrect API key provided: sk-very-secret.' });
    const error = await thrown(keyed.models());
    expect(server.requests[0]?.headers.authorization).toBe('Bearer sk-very-secret');
    expect(JSON.stringify(error) + String(error) + String((error as Error).stack)).not.toContain('sk-very-secret');
  });
});

describe('a busy server', () => {
  const patient = () => new InferenceClient({ baseUrl: server.baseUrl });
  const busy = (times: number): void =>
    server.failNext({ kind: 'status', status: 429, headers: { 'retry-after': '0.02' } }, { times });

  it('is asked again after the time that it names', async () => {
    busy(3);
    expect((await patient().generate('base', text, greedy)).texts).toHaveLength(1);
    expect(server.requests).toHaveLength(4);
  });

  it('says how many it refused, and lets a cancelled question go', async () => {
    const cancel = new AbortController();
    const asked = patient();
    server.failNext({ kind: 'status', status: 503 });
    const asking = thrown(asked.withSignal(cancel.signal).generate('base', text, greedy));
    await vi.waitFor(() => expect(asked.refused).toBe(1));
    const reason = new Error('the round was cancelled');
    cancel.abort(reason);
    expect(await asking).toBe(reason);
    expect(asked.refused).toBe(0);
  });

  it("becomes the workflow's matter when it asks for more patience than there is", async () => {
    server.failNext({ kind: 'status', status: 503, headers: { 'retry-after': '120' } });
    expect(await thrown(patient().generate('base', text, greedy))).toMatchObject({
      type: 'ServerBusy',
      details: [{ afterMs: 120_000 }],
    });
    expect(server.requests).toHaveLength(1);
  });

  it('is waited for with an adapter too', async () => {
    server.failNext({ kind: 'status', status: 503, headers: { 'retry-after': '0.02' } });
    await patient().loadAdapter('selkie--1', '/store/1');
    expect(server.adapters.size).toBe(1);
  });
});

describe('retryAfterMs', () => {
  it('reads seconds and dates, and nothing else', () => {
    expect(retryAfterMs('1.5', 0)).toBe(1500);
    expect(retryAfterMs('Thu, 01 Jan 1970 00:00:10 GMT', 4000)).toBe(6000);
    expect(retryAfterMs('Thu, 01 Jan 1970 00:00:10 GMT', 40_000)).toBe(0);
    expect(retryAfterMs('999999', 0)).toBe(3_600_000);
    for (const header of [null, '', 'soon']) expect(retryAfterMs(header, 0)).toBeNull();
  });
});
