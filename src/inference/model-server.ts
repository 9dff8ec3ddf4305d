import type { Prompt } from '../contract/index.js';

export interface Sampling {
  maxTokens: number;
  temperature: number;
  topP?: number;
  seed?: number;
  /** completions to write; 1 by default */
  n?: number;
  stop?: string[];
}

export interface Generation {
  /** one per completion asked for, in the server's order */
  texts: string[];
  /** tokens written, all completions together; 0 where the server does not count */
  completionTokens: number;
}

/** Natural-log probabilities of a continuation. */
export interface LogLikelihood {
  sum: number;
  tokens: number;
  /** per token */
  mean: number;
  perToken: number[];
}

/** One model of a server, or one adapter of it. */
export interface AskableModel {
  readonly name: string;
  generate(prompt: Prompt, sampling: Sampling): Promise<Generation>;
  logLikelihood(prompt: Prompt, continuation: string): Promise<LogLikelihood>;
}

/** A server of a base model, which loads and unloads adapters of it while it serves. */
export interface ModelServer {
  /** The same server, whose requests `signal` ends. */
  withSignal(signal: AbortSignal): ModelServer;
  /** One model by the name that it is served under; an adapter is read in the tokens of its base. */
  model(name: string, base?: string): AskableModel;
  /** The names that the server answers to: its model and the adapters loaded. */
  models(): Promise<string[]>;
  /** Loads the PEFT directory at `path`, which the server itself must be able to read. A name already loaded is fine. */
  loadAdapter(name: string, path: string): Promise<void>;
  /** Unloads an adapter; one that is not loaded is fine. */
  unloadAdapter(name: string): Promise<void>;
}
