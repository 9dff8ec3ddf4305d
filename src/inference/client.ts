import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import OpenAI, { type ClientOptions } from 'openai';
import { Agent, fetch } from 'undici';
import { z } from 'zod';
import { failure, type Prompt } from '../contract/index.js';
import { busyWith, refusedStatus, requestFailure, UnreadableAnswer } from './errors.js';
import { Line } from './line.js';
import type { AskableModel, Generation, LogLikelihood, ModelServer, Sampling } from './model-server.js';

export interface InferenceOptions {
  /** where the server's OpenAI paths begin: `http://host:port/v1` */
  baseUrl: string;
  /** sent as a bearer token; a local server needs none */
  apiKey?: string | undefined;
  /** questions open at once, of all attempts together */
  open?: number | undefined;
  /** how long one question is retried while the server is busy */
  patienceMs?: number;
  /** for a request that no attempt bounds */
  timeoutMs?: number;
}

/** The gpu-runner decodes 64 rows at once. */
const defaults = { open: 64, patienceMs: 60_000, timeoutMs: 30_000 };
/** Between tries where a busy server names no time. */
const busyMs = { least: 100, first: 1000, longest: 15_000 };
/** For a connection to be made; an answer may take as long as the attempt that asks. */
const connectWithinMs = 10_000;
/** The library's timeout cannot be switched off. */
const neverMs = 2 ** 31 - 1;
/** Texts whose tokens are remembered: every adapter of a round is asked the same questions. */
const rememberedTexts = 10_000;

const usageSchema = z.object({ completion_tokens: z.int().nonnegative() }).nullish();
const completionsSchema = z.object({ choices: z.array(z.object({ text: z.string() })).min(1), usage: usageSchema });
const chatSchema = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string().nullable() }) })).min(1),
  usage: usageSchema,
});
const echoSchema = z.object({
  choices: z.tuple([z.object({ logprobs: z.object({ token_logprobs: z.array(z.number().nullable()) }) })]),
});
const tokensSchema = z.object({ tokens: z.array(z.int().nonnegative()) });
const modelsSchema = z.object({ data: z.array(z.object({ id: z.string() })) });

/** Shared by all views of one server. */
interface Server {
  api: OpenAI;
  line: Line;
  tokens: LRUCache<string, number[]>;
  /** requests that wait because the server is busy */
  refused: number;
}

/**
 * A model server that speaks the OpenAI API with vLLM's additions (`/tokenize`, `/v1/load_lora_adapter`): the
 * gpu-runner or vLLM. Only a busy server is asked again, for a moment: all other retrying is the workflow's, where it is
 * seen. Errors are of the contract's list (`ServerUnavailable`, `ServerBusy`, `ServerRefused`), or plain ones for an answer
 * that cannot be read.
 */
export class InferenceClient implements ModelServer {
  readonly #options: InferenceOptions;
  readonly #server: Server;
  /** ends every request of this client */
  readonly #signal: AbortSignal | undefined;

  constructor(options: InferenceOptions);
  constructor(options: InferenceOptions, server: Server, signal: AbortSignal);
  constructor(options: InferenceOptions, server: Server = serverOf(options), signal?: AbortSignal) {
    this.#options = options;
    this.#server = server;
    this.#signal = signal;
  }

  /** The same server and the same line before it, for an attempt that `signal` ends. */
  withSignal(signal: AbortSignal): InferenceClient {
    return new InferenceClient(this.#options, this.#server, signal);
  }

  /** Where attempts take turns; a request itself is sent at once. */
  get line(): Line {
    return this.#server.line;
  }

  /** Requests of all attempts that wait because the server is busy. */
  get refused(): number {
    return this.#server.refused;
  }

  model(name: string, base = name): AskableModel {
    return {
      name,
      generate: (prompt, sampling) => this.generate(name, prompt, sampling),
      logLikelihood: (prompt, continuation) => this.logLikelihood(name, prompt, continuation, base),
    };
  }

  async generate(model: string, prompt: Prompt, sampling: Sampling): Promise<Generation> {
    const body = {
      model,
      max_tokens: sampling.maxTokens,
      temperature: sampling.temperature,
      ...(sampling.topP === undefined ? {} : { top_p: sampling.topP }),
      ...(sampling.seed === undefined ? {} : { seed: sampling.seed }),
      ...(sampling.n === undefined ? {} : { n: sampling.n }),
      ...(sampling.stop === undefined ? {} : { stop: sampling.stop }),
    };
    const doing = `asking ${model}`;
    if (prompt.kind === 'text') {
      const answer = await this.#post('/completions', { ...body, prompt: prompt.text }, completionsSchema, doing);
      return { texts: answer.choices.map(({ text }) => text), completionTokens: answer.usage?.completion_tokens ?? 0 };
    }
    const answer = await this.#post('/chat/completions', { ...body, messages: prompt.messages }, chatSchema, doing);
    return {
      texts: answer.choices.map(({ message }) => message.content ?? ''),
      completionTokens: answer.usage?.completion_tokens ?? 0,
    };
  }

  /**
   * How likely the model finds `continuation` after `prompt`, token by token. Prompt and continuation are tokenised apart
   * and joined as ids, so that no token straddles the seam and every model of one base is asked for the same tokens.
   */
  async logLikelihood(model: string, prompt: Prompt, continuation: string, tokenizer = model): Promise<LogLikelihood> {
    const asked =
      prompt.kind === 'text'
        ? { prompt: prompt.text, add_special_tokens: true }
        : { messages: prompt.messages, add_generation_prompt: true };
    const [before, after] = await Promise.all([
      this.#tokenize(tokenizer, asked),
      this.#tokenize(tokenizer, { prompt: continuation, add_special_tokens: false }),
    ]);
    if (before.length === 0 || after.length === 0) {
      throw failure('ServerRefused', `reading log-probabilities of ${model}: an empty prompt or continuation has none`);
    }
    const doing = `reading log-probabilities of ${model}`;
    const body = {
      model,
      prompt: [...before, ...after],
      echo: true,
      logprobs: 1,
      max_tokens: 0,
      temperature: 0,
      // spares the runner the rest; vLLM ignores it and returns all
      logprob_start_len: before.length,
    };
    const { choices } = await this.#post('/completions', body, echoSchema, doing);
    const perToken = choices[0].logprobs.token_logprobs.slice(before.length, before.length + after.length);
    if (perToken.length !== after.length || !perToken.every((value) => value !== null)) {
      throw new UnreadableAnswer(`${doing}: the server gave ${perToken.length} of ${after.length} values`);
    }
    const sum = perToken.reduce((total, value) => total + value, 0);
    return { sum, tokens: perToken.length, mean: sum / perToken.length, perToken };
  }

  /** How many tokens a text has for the model, with those that a sequence begins or ends with. */
  async countTokens(model: string, text: string): Promise<number> {
    const body = { model, prompt: text, add_special_tokens: true };
    return (await this.#post(this.#tokenizeUrl, body, tokensSchema, `counting tokens for ${model}`)).tokens.length;
  }

  async models(): Promise<string[]> {
    const doing = 'listing the models of the server';
    const answer = await this.#request(doing, (signal) => this.#server.api.get<unknown>('/models', { signal }));
    return read(modelsSchema, answer, doing).data.map(({ id }) => id);
  }

  async loadAdapter(name: string, path: string): Promise<void> {
    const doing = `loading the adapter ${name} from ${path} (the server must see the artifact store at this path)`;
    try {
      const body = { lora_name: name, lora_path: path };
      await this.#request(doing, (signal) => this.#server.api.post<unknown>('/load_lora_adapter', { body, signal }));
    } catch (error) {
      // vLLM answers 400 to a duplicate name as to any other bad request; the names are content digests, so what it has is right
      if (refusedStatus(error) === 400 && (await this.models()).includes(name)) return;
      throw error;
    }
  }

  async unloadAdapter(name: string): Promise<void> {
    try {
      const body = { lora_name: name };
      await this.#request(`unloading the adapter ${name}`, (signal) =>
        this.#server.api.post<unknown>('/unload_lora_adapter', { body, signal }),
      );
    } catch (error) {
      if (refusedStatus(error) === 404) return;
      throw error;
    }
  }

  get #tokenizeUrl(): string {
    return new URL('tokenize', this.#options.baseUrl.replace(/v1\/?$/, '')).href;
  }

  async #tokenize(model: string, asked: Record<string, unknown>): Promise<number[]> {
    const body = { model, ...asked };
    const key = JSON.stringify(body);
    const known = this.#server.tokens.get(key);
    if (known !== undefined) return known;
    const { tokens } = await this.#post(this.#tokenizeUrl, body, tokensSchema, `tokenising for ${model}`);
    this.#server.tokens.set(key, tokens);
    return tokens;
  }

  async #post<T>(path: string, body: Record<string, unknown>, schema: z.ZodType<T>, doing: string): Promise<T> {
    const { api } = this.#server;
    return read(schema, await this.#request(doing, (signal) => api.post<unknown>(path, { body, signal })), doing);
  }

  /** Sends a request, and again while the server is busy. */
  async #request<T>(doing: string, send: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const givenUpMs = Date.now() + (this.#options.patienceMs ?? defaults.patienceMs);
    for (let usualMs = busyMs.first; ; usualMs = Math.min(usualMs * 2, busyMs.longest)) {
      try {
        return await this.#send(doing, send);
      } catch (error) {
        const busy = busyWith(error);
        if (busy === null) throw error;
        // up to a quarter longer, so that those refused together do not come back together
        const waitMs = Math.max(busy.afterMs ?? usualMs, busyMs.least) * (1 + Math.random() / 4);
        if (Date.now() + waitMs > givenUpMs) throw error;
        await this.#comeBackAfter(waitMs);
      }
    }
  }

  async #comeBackAfter(ms: number): Promise<void> {
    this.#server.refused += 1;
    try {
      await sleep(ms, undefined, this.#signal === undefined ? {} : { signal: this.#signal });
    } catch (error) {
      this.#signal?.throwIfAborted();
      throw error;
    } finally {
      this.#server.refused -= 1;
    }
  }

  async #send<T>(doing: string, send: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { timeoutMs = defaults.timeoutMs, apiKey } = this.#options;
    const deadline = this.#signal ?? AbortSignal.timeout(timeoutMs);
    deadline.throwIfAborted();
    try {
      return await send(deadline);
    } catch (error) {
      this.#signal?.throwIfAborted();
      if (deadline.aborted) {
        throw failure('ServerSlow', `${doing}: the model server did not answer within ${timeoutMs / 1000} s`);
      }
      throw requestFailure(error, doing, apiKey);
    }
  }
}

/** Node's fetch gives up on an answer after 300 s; here the caller's signal bounds it. */
function patientFetch(): typeof fetch {
  const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0, connect: { timeout: connectWithinMs } });
  return (url, init) => fetch(url, { ...init, dispatcher });
}

function serverOf(options: InferenceOptions): Server {
  const settings: ClientOptions = {
    baseURL: options.baseUrl,
    // the library insists on a key; a local server does not read it
    apiKey: options.apiKey ?? 'none',
    maxRetries: 0,
    timeout: neverMs,
    fetch: patientFetch() as unknown as NonNullable<ClientOptions['fetch']>,
  };
  return {
    api: new OpenAI(settings),
    line: new Line(options.open ?? defaults.open),
    tokens: new LRUCache<string, number[]>({ max: rememberedTexts }),
    refused: 0,
  };
}

function read<T>(schema: z.ZodType<T>, answer: unknown, doing: string): T {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new UnreadableAnswer(`${doing}: the model server's answer cannot be read (${z.prettifyError(parsed.error)})`);
}
