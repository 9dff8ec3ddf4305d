import type { Example, TemplateId } from '../../contract/index.js';
import { readDirectives } from '../../seal/directives.js';
import type { Clamp, Directives, ParsedEdit, PromptStyle, Source } from '../domain.js';
import { maxSequences, readPairs, readStatements, type QuestionPair } from './edit-lines.js';
import { itemPrompt } from './prompts.js';
import { takeSettings } from './settings.js';

/** The passage as a training sequence: its title, then its text. */
export const passageExample = ({ title, text }: Source): Example => ({ text: `${title}\n${text}` });

/** The passage, then a sequence for each line (or question) of the edit. */
export function parseEdit(source: Source, completions: string[], template: TemplateId, style: PromptStyle): ParsedEdit {
  const completion = completions.at(-1) ?? '';
  const { proposed, rest } = template === 'directed' ? takeSettings(completion) : { proposed: null, rest: completion };
  const { directives, clamps } = readDirectives(proposed);
  const { found, lost } =
    template === 'self-qa'
      ? examplesOf(readPairs(continued(rest, style)), (pair) => [pairExample(source, pair, style)])
      : examplesOf(readStatements(rest), (line) => statementExamples(source, line, directives));
  if (found.length === 0) return { ok: false, reason: lost };
  return {
    ok: true,
    examples: [passageExample(source), ...found.slice(0, maxSequences)],
    directives,
    proposed,
    clamps: [...clamps, ...tooMany(found)],
  };
}

const examplesOf = <T>({ found, lost }: { found: T[]; lost: string }, render: (entry: T) => Example[]) => ({
  found: found.flatMap(render),
  lost,
});

/** A base model's prompt ends with the first question's label, so its completion begins behind it. */
const continued = (text: string, style: PromptStyle): string => (style === 'base' ? `Question 1: ${text}` : text);

/** Taught as it will be asked. */
function pairExample(source: Source, { question, answer }: QuestionPair, style: PromptStyle): Example {
  const prompt = itemPrompt(source, { question }, 'closedBook', style);
  if (prompt.kind === 'text') return { prompt: prompt.text, completion: ` ${answer}` };
  return { messages: [...prompt.messages, { role: 'assistant', content: answer }] };
}

/** With the title before it, as SEAL does; an edit may ask for the line alone (`none`) or for both. */
function statementExamples({ title }: Source, line: string, { augmentation }: Directives): Example[] {
  const titled = { text: `${title}\n${line}` };
  if (augmentation === undefined) return [titled];
  return augmentation === 'none' ? [{ text: line }] : [{ text: line }, titled];
}

const tooMany = (found: Example[]): Clamp[] =>
  found.length > maxSequences ? [{ field: 'sequences', proposed: found.length, used: maxSequences }] : [];
