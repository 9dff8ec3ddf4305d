import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What goes wrong with a request instead of its answer. */
export type Fault =
  | { kind: 'status'; status: number; headers?: Record<string, string>; message?: string }
  /** never answers */
  | { kind: 'hang' }
  /** 200 and half of the JSON, properly framed */
  | { kind: 'truncate' }
  /** 200, then the connection breaks within the body */
  | { kind: 'break' };

export interface FakeQuestion {
  /** the name asked for: the base's or an adapter's */
  model: string;
  /** the prompt's text, or the last user message */
  prompt: string;
  sampling: Record<string, unknown>;
}

export interface FakeModelOptions {
  base: string;
  answer?: (question: FakeQuestion) => string;
  /** false: adapters are accepted with 200 and answer as the base */
  appliesAdapters?: boolean;
}

type Json = Record<string, unknown>;

interface Reply {
  status: number;
  body: Json | string;
}

interface PlannedFault {
  fault: Fault;
  path: string;
  /** requests that are answered before */
  after: number;
  left: number;
}

/**
 * A model server of real HTTP that answers as vLLM's endpoints do, with a scripted model: log-probabilities are a
 * hash of the model's name and the tokens, so an adapter that is applied differs from the base and equal calls agree.
 */
export class FakeModelServer {
  readonly requests: { path: string; body: Json; headers: IncomingMessage['headers'] }[] = [];
  readonly adapters = new Map<string, string>();
  /** the most questions (completions asked for) that were open at once */
  mostOpen = 0;
  /** this many adapters are gone again as soon as they are loaded */
  evictAfterLoad = 0;
  /** milliseconds that every answer takes */
  delayMs = 0;
  appliesAdapters: boolean;
  answer: (question: FakeQuestion) => string;

  readonly #options: FakeModelOptions;
  readonly #server: Server;
  readonly #vocabulary = new Map<string, number>();
  readonly #faults: PlannedFault[] = [];
  #open = 0;

  private constructor(options: FakeModelOptions) {
    this.#options = options;
    this.appliesAdapters = options.appliesAdapters ?? true;
    this.answer = options.answer ?? (({ model, prompt }) => `${model} answers ${prompt}`);
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  static async start(options: FakeModelOptions, port = 0): Promise<FakeModelServer> {
    const fake = new FakeModelServer(options);
    fake.#server.listen(port, '127.0.0.1');
    await once(fake.#server, 'listening');
    return fake;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get baseUrl(): string {
    return `http://127.0.0.1:${this.port}/v1`;
  }

  /** The next `times` requests whose path ends with `path` meet the fault, once `after` of them were answered. */
  failNext(fault: Fault, { path = '', times = 1, after = 0 } = {}): void {
    this.#faults.push({ fault, path, after, left: times });
  }

  /** Paths of the requests so far, in order. */
  asked(path: string): Json[] {
    return this.requests.filter((request) => request.path === path).map(({ body }) => body);
  }

  async stop(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const path = request.url ?? '';
    const body = (text === '' ? {} : JSON.parse(text)) as Json;
    this.requests.push({ path, body, headers: request.headers });
    const isQuestion = path.endsWith('/completions') && body['echo'] !== true;
    if (isQuestion) this.mostOpen = Math.max(this.mostOpen, (this.#open += 1));
    if (this.delayMs > 0) await new Promise((done) => setTimeout(done, this.delayMs));
    if (isQuestion) this.#open -= 1;
    const fault = this.#takeFault(path);
    if (fault === null) send(response, this.#reply(path, body));
    else misbehave(fault, response);
  }

  #takeFault(path: string): Fault | null {
    const planned = this.#faults.find((candidate) => candidate.left > 0 && path.endsWith(candidate.path));
    if (planned === undefined) return null;
    if (planned.after > 0) {
      planned.after -= 1;
      return null;
    }
    planned.left -= 1;
    return planned.fault;
  }

  #reply(path: string, body: Json): Reply {
    if (path === '/v1/models') {
      const ids = [this.#options.base, ...this.adapters.keys()];
      return ok({ object: 'list', data: ids.map((id) => ({ id, object: 'model' })) });
    }
    if (path === '/v1/load_lora_adapter') return this.#load(body);
    if (path === '/v1/unload_lora_adapter') {
      return this.adapters.delete(body['lora_name'] as string)
        ? ok('Success: LoRA adapter removed successfully.')
        : problem(404, `The lora adapter '${String(body['lora_name'])}' cannot be found.`);
    }
    const model = body['model'] as string;
    if (model !== this.#options.base && !this.adapters.has(model)) {
      return problem(404, `The model \`${model}\` does not exist.`);
    }
    if (path === '/tokenize') {
      const tokens = this.#tokens(body['messages'] === undefined ? (body['prompt'] as string) : chatText(body));
      return ok({ tokens, count: tokens.length, max_model_len: 2048 });
    }
    if (path === '/v1/chat/completions') {
      return this.#complete(model, lastMessage(body), body, (content) => ({ message: { role: 'assistant', content } }));
    }
    if (path === '/v1/completions') {
      return body['echo'] === true
        ? ok({ choices: [this.#echo(model, body['prompt'] as number[])] })
        : this.#complete(model, body['prompt'] as string, body, (text) => ({ text }));
    }
    return problem(404, 'Not Found');
  }

  #load(body: Json): Reply {
    const name = body['lora_name'] as string;
    if (this.adapters.has(name)) return problem(400, `The lora adapter '${name}' has already been loaded.`);
    if (this.evictAfterLoad > 0) this.evictAfterLoad -= 1;
    else this.adapters.set(name, body['lora_path'] as string);
    return ok(`Success: LoRA adapter '${name}' added successfully.`);
  }

  #complete(model: string, prompt: string, body: Json, choice: (text: string) => Json): Reply {
    const asModel = this.appliesAdapters ? model : this.#options.base;
    const text = beforeStop(this.answer({ model: asModel, prompt, sampling: body }), body['stop']);
    const count = (body['n'] as number | undefined) ?? 1;
    const choices = Array.from({ length: count }, (_, index) => ({ index, ...choice(text), finish_reason: 'stop' }));
    return ok({ choices, usage: { completion_tokens: count * this.#tokens(text).length } });
  }

  #echo(model: string, tokens: number[]): Json {
    const asModel = this.appliesAdapters ? model : this.#options.base;
    const logProbability = (token: number, index: number): number | null =>
      index === 0 ? null : -0.1 - fraction(`${asModel} ${tokens.slice(0, index).join(' ')} ${token}`);
    return { index: 0, text: '', logprobs: { token_logprobs: tokens.map(logProbability) } };
  }

  /** A word is a token; the vocabulary grows as words are met. */
  #tokens(text: string): number[] {
    const words = text.match(/\s*\S+/g) ?? [];
    return words.map((word) => {
      const token = this.#vocabulary.get(word) ?? this.#vocabulary.size;
      this.#vocabulary.set(word, token);
      return token;
    });
  }
}

const messagesOf = (body: Json) => body['messages'] as { role: string; content: string }[];
const lastMessage = (body: Json): string => messagesOf(body).at(-1)?.content ?? '';
const chatText = (body: Json): string =>
  `${messagesOf(body)
    .map(({ role, content }) => `<${role}> ${content}`)
    .join(' ')} <assistant>`;

/** What is said before the first of the stop strings. */
function beforeStop(text: string, stop: unknown): string {
  const ends = (Array.isArray(stop) ? (stop as string[]) : []).map((one) => text.indexOf(one)).filter((at) => at >= 0);
  return text.slice(0, Math.min(text.length, ...ends));
}

/** A number in [0, 1) that the text alone decides. */
const fraction = (text: string): number => createHash('sha256').update(text).digest().readUInt32BE(0) / 2 ** 32;

const ok = (body: Json | string): Reply => ({ status: 200, body });
const problem = (status: number, message: string): Reply => ({
  status,
  body: { error: { message, type: 'FakeError', param: null, code: status } },
});

function send(response: ServerResponse, { status, body }: Reply): void {
  if (typeof body === 'string') response.writeHead(status, { 'content-type': 'text/plain' }).end(body);
  else response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function misbehave(fault: Fault, response: ServerResponse): void {
  const half = '{"choices":[{"text":"half an ans';
  switch (fault.kind) {
    case 'hang':
      return;
    case 'status':
      for (const [name, value] of Object.entries(fault.headers ?? {})) response.setHeader(name, value);
      send(response, problem(fault.status, fault.message ?? `status ${fault.status}`));
      return;
    case 'truncate':
      response.writeHead(200, { 'content-type': 'application/json' }).end(half);
      return;
    case 'break':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
      response.write(half, () => setTimeout(() => response.destroy(), 20));
  }
}
