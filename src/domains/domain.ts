import type { Components, Example, Prompt, TemplateId } from '../contract/index.js';
import type { Clamp, Directives } from '../seal/directives.js';

export type { Clamp, Directives };

/** A question with its reference answers. Edits are chosen on part A and reported on part B. */
export interface Item {
  itemId: string;
  question: string;
  answer: string;
  /** further references: an answer gets the best of its grades */
  otherAnswers?: string[] | undefined;
  split: 'A' | 'B';
}

export interface Source {
  sourceId: string;
  title: string;
  text: string;
  role: 'train' | 'heldOut';
  items: Item[];
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

export interface Reading {
  sources: Source[];
  problems: Problem[];
  leftOut: LeftOut[];
  /** questions and documents that were there again, and went into the first of their kind */
  merged: number;
}

/** How an item is asked: from memory, or with the source in the prompt. */
export type Arm = 'closedBook' | 'inContext';

export type ParsedEdit =
  | { ok: true; examples: Example[]; directives: Directives; proposed: unknown; clamps: Clamp[] }
  | { ok: false; reason: string };

/** One prompt of a proposal, or what makes it of the completions of all steps before: plan, then write. */
export interface ProposalStep {
  name: string;
  prompt: Prompt | ((previous: string[]) => Prompt);
}

export type PromptStyle = 'chat' | 'base';

/** What a task is: the seam by which ARC and others join. Pure functions only. */
export interface Domain {
  readonly id: string;
  /** names what grades an answer, with its version: part of the key of every cached answer */
  readonly grader: string;
  /** the component that rewards and reports read; 1 on a right answer, so that a canary below it is lost */
  readonly primary: string;
  /** names what reads an edit and makes its examples, with its version: part of the key of every proposal */
  readonly parser: string;
  /** so many tokens of an answer are asked for, and more where a reference is longer */
  readonly answerTokens: number;
  sources(raw: unknown): Reading;
  proposal(source: Source, template: TemplateId, style: PromptStyle): ProposalStep[];
  /** the training sequences of an edit: what it says, after the source itself where that helps */
  parseEdit(source: Source, completions: string[], template: TemplateId, style: PromptStyle): ParsedEdit;
  /** the source alone: the raw-passage control */
  rawExamples(source: Source, style: PromptStyle): Example[];
  itemPrompt(source: Source, item: Item, arm: Arm, style: PromptStyle): Prompt;
  /** the answer's number in each component, the primary one among them */
  grade(item: Item, answer: string): Components;
}
