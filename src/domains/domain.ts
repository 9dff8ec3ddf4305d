import type { z } from 'zod';
import type { Components, Example, Prompt } from '../contract/index.js';
import type { Clamp, Directives } from '../seal/directives.js';
import type { CorpusFile } from './reading/files.js';

export type { Clamp, Directives };

/** Edits are chosen on the items of split A and reported on those of split B. */
export type Split = 'A' | 'B';

/** What an adapter is asked. `content` is JSON by the domain's item schema: nothing else knows what is in it. */
export interface Item<I = unknown> {
  itemId: string;
  split: Split;
  content: I;
}

/** An item that belongs to no source: a canary, or an item of the frozen set. */
export type RetentionItem<I = unknown> = Omit<Item<I>, 'split'>;

/** What an edit is written about. `content` is JSON by the domain's source schema. */
export interface Source<S = unknown, I = unknown> {
  sourceId: string;
  role: 'train' | 'heldOut';
  content: S;
  items: Item<I>[];
}

/** Something wrong with the input, in words. Places are positions and names of files, never what the files say. */
export interface Problem {
  where: string;
  what: string;
  /** what to do about it */
  fix: string;
  /** whether a round must not start before it is mended */
  stops: boolean;
}

/** What was read and is not used. */
export interface LeftOut {
  where: string;
  why: string;
  count: number;
}

export interface Reading<S = unknown, I = unknown> {
  sources: Source<S, I>[];
  problems: Problem[];
  leftOut: LeftOut[];
  /** items and sources that were there again, and went into the first of their kind */
  merged: number;
}

/** How an item is asked: from memory, or with the source in the prompt. */
export type Arm = 'closedBook' | 'inContext';

/** How an answer is sampled, and where it ends. */
export interface AnswerSampling {
  maxTokens: number;
  temperature: number;
  stop?: string[];
}

/** An item as a model is asked it. */
export interface Asked {
  prompt: Prompt;
  sampling: AnswerSampling;
  /** a right answer as it follows the prompt: its likelihood is measured, and adapters are probed with it */
  reference: string;
}

export type ParsedEdit =
  | { ok: true; examples: Example[]; directives: Directives; proposed: unknown; clamps: Clamp[] }
  | { ok: false; reason: string };

/** One prompt of a proposal, or a function that makes it of the completions of all steps before: plan, then write. */
export interface ProposalStep {
  name: string;
  prompt: Prompt | ((previous: string[]) => Prompt);
}

export type PromptStyle = 'chat' | 'base';

/**
 * What a task is: its sources, its items, how edits are asked for and answers graded. Pure functions only. `S` is the
 * content of a source, `I` of an item, `A` an answer as the domain reads it.
 */
export interface DomainOf<S, I, A> {
  /** the name in a round's config */
  readonly id: string;
  /** the ways to ask for an edit; a round that names none uses the first */
  readonly templates: readonly [string, ...string[]];
  /** the numbers that `grade` gives */
  readonly components: readonly string[];
  /** the component that rewards and reports read; 1 on a right answer, so that a canary below it is lost */
  readonly primary: string;
  /** the version of the grading rules: part of the key of every cached answer */
  readonly grader: string;
  /** the version of what reads an edit and makes its examples: part of the key of every proposal */
  readonly parser: string;

  /** the sources of a corpus's files */
  sources(files: CorpusFile[]): Reading<S, I>;
  /** the items of files of canaries or of the frozen set */
  retention(files: CorpusFile[]): { items: I[]; problems: Problem[] };

  /** what people call a source; it tells no answer */
  label(source: S): string;
  /** the source as text: a screen looks for its items there, and an estimate of its length is made from it */
  sourceText(source: S): string;
  /** what an item asks, as text: an edit that holds it teaches to the test */
  itemText(item: I): string;

  /**
   * Text prompts that no source is about. What the learner answers to them is replayed in trainings on whole documents, so that
   * it is not forgotten; none: nothing is replayed.
   */
  readonly replayPrompts: readonly string[];

  proposal(source: S, template: string, style: PromptStyle): ProposalStep[];
  /** the training sequences of an edit: what it states, after the source itself where that helps */
  parseEdit(source: S, completions: string[], template: string, style: PromptStyle): ParsedEdit;
  /** the source alone: the raw-passage control */
  rawExamples(source: S, style: PromptStyle): Example[];
  /** the training sequences that rules make of the source, without a model; none: the domain has no such rules for it */
  ruleExamples(source: S, style: PromptStyle): Example[];
  /** one training set of the training sequences of a source's edits: what several say is there once */
  mergeExamples(edits: Example[][]): Example[];

  /** @param source null for a retention item */
  ask(source: S | null, item: I, arm: Arm, style: PromptStyle): Asked;
  /** the answer in what a model wrote */
  readAnswer(completion: string): A;
  /** the answer's number in each component */
  grade(item: I, answer: A): Components;
}

/** A domain as everybody else knows it: contents and answers are JSON, which it parses with its own schemas. */
export type Domain = DomainOf<unknown, unknown, unknown>;

/** Makes a domain of functions on its own types. */
export function defineDomain<S, I, A>(
  schemas: { source: z.ZodType<S>; item: z.ZodType<I>; answer: z.ZodType<A> },
  domain: DomainOf<S, I, A>,
): Domain {
  const sourceOf = (content: unknown): S => schemas.source.parse(content);
  const itemOf = (content: unknown): I => schemas.item.parse(content);
  return {
    ...domain,
    // versions of two domains may be alike, and their answers must not be taken for each other
    grader: `${domain.id}/${domain.grader}`,
    parser: `${domain.id}/${domain.parser}`,
    label: (source) => domain.label(sourceOf(source)),
    sourceText: (source) => domain.sourceText(sourceOf(source)),
    itemText: (item) => domain.itemText(itemOf(item)),
    proposal: (source, ...rest) => domain.proposal(sourceOf(source), ...rest),
    parseEdit: (source, ...rest) => domain.parseEdit(sourceOf(source), ...rest),
    rawExamples: (source, style) => domain.rawExamples(sourceOf(source), style),
    ruleExamples: (source, style) => domain.ruleExamples(sourceOf(source), style),
    ask: (source, item, ...rest) => domain.ask(source === null ? null : sourceOf(source), itemOf(item), ...rest),
    grade: (item, answer) => domain.grade(itemOf(item), schemas.answer.parse(answer)),
  };
}
