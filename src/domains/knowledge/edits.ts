import type { Example } from '../../contract/index.js';
import { readDirectives } from '../../seal/directives.js';
import { tokensOf } from '../../seal/grading.js';
import { isArticle } from '../../seal/grading/fillers.js';
import { isUnspaced } from '../../seal/grading/pieces.js';
import { isSameWord } from '../../seal/grading/same-word.js';
import { readWords, type Word } from '../../seal/grading/words.js';
import type { Clamp, Directives, ParsedEdit, PromptStyle } from '../domain.js';
import { itemPrompt } from './ask.js';
import { readStatements } from './edit-lines.js';
import { readPairs, type QuestionPair } from './edit-pairs.js';
import type { Passage } from './schema.js';
import { takeSettings } from './settings.js';
import { withoutThinking } from './thinking.js';

/** More than a passage can teach; a model in a loop writes hundreds. */
export const maxSequences = 60;

/** The passage as a training sequence: its title, then its text. */
export const passageExample = ({ title, text }: Passage): Example => ({ text: `${title}\n${text}` });

/** The passage, then a sequence for each line or question of the edit, as SEAL trains them. */
export function parseEdit(source: Passage, completions: string[], template: string, style: PromptStyle): ParsedEdit {
  const written = completions.flatMap((completion) => withoutThinking(completion) ?? []);
  if (written.length === 0 && completions.length > 0) {
    return { ok: false, reason: 'the model was still thinking when it was cut off: give it more sampling.maxTokens' };
  }
  return template === 'self-qa'
    ? parseQuestions(source, written, style)
    : parseStatements(source, written, template, style);
}

function parseStatements(source: Passage, completions: string[], template: string, style: PromptStyle): ParsedEdit {
  // a base model's prompt for `directed` ends with the brace that opens its settings
  const opened = style === 'base' && template === 'directed' ? '{' : '';
  const completion = `${opened}${completions.join('\n')}`;
  const { proposed, rest } = template === 'directed' ? takeSettings(completion) : { proposed: null, rest: completion };
  const { directives, clamps } = readDirectives(proposed);
  const read = readStatements(rest);
  const examples = read.found.flatMap((line) => statementExamples(source, line, directives));
  return editOf(source, examples, read.lost, { directives, proposed, clamps });
}

function parseQuestions(source: Passage, completions: string[], style: PromptStyle): ParsedEdit {
  // a base model's prompt ends with the first question's label
  const reads = completions.map((text) => readPairs(style === 'base' ? `Question 1: ${text}` : text));
  const pairs = [...new Map(reads.flatMap(({ found }) => found).map((pair) => [keyOf(pair), pair])).values()];
  const known = pairs.filter((pair) => teaches(source, pair));
  const dropped = { field: 'questions', proposed: pairs.length, used: known.length };
  const clamps = known.length < pairs.length ? [dropped] : [];
  const lost =
    pairs.length === 0
      ? (reads[0]?.lost ?? 'there is no completion')
      : `no answer of ${pairs.length} is news from the passage`;
  const examples = known.map((pair) => pairExample(source, pair));
  return editOf(source, examples, lost, { directives: {}, proposed: null, clamps });
}

function editOf(
  source: Passage,
  examples: Example[],
  lost: string,
  said: { directives: Directives; proposed: unknown; clamps: Clamp[] },
): ParsedEdit {
  if (examples.length === 0) return { ok: false, reason: lost };
  const tooMany = { field: 'sequences', proposed: examples.length, used: maxSequences };
  return {
    ok: true,
    ...said,
    clamps: examples.length > maxSequences ? [...said.clamps, tooMany] : said.clamps,
    examples: [passageExample(source), ...examples.slice(0, maxSequences)],
  };
}

/** Taught as it will be asked. */
const pairExample = (source: Passage, { question, answer }: QuestionPair): Example => ({
  prompt: itemPrompt(source, { question }, 'closedBook').text,
  completion: ` ${answer}`,
});

/** With the title before it, as SEAL does; an edit may ask for the line alone (`none`) or for both. */
function statementExamples({ title }: Passage, line: string, { augmentation }: Directives): Example[] {
  const titled = { text: `${title}\n${line}` };
  if (augmentation === undefined) return [titled];
  return augmentation === 'none' ? [{ text: line }] : [{ text: line }, titled];
}

const keyOf = ({ question, answer }: QuestionPair): string => tokensOf(`${question} ${answer}`).join(' ');

/**
 * Whether the answer comes from the passage and is not made up by the model: half of its words and all of its numbers
 * are there, and it adds something to the question and the title.
 */
function teaches({ title, text }: Passage, { question, answer }: QuestionPair): boolean {
  const passage = readWords(`${title} ${text}`);
  const run = joinedOf(passage);
  const asked = readWords(`${title} ${question}`);
  const words = readWords(answer).filter(({ text: word }) => !isArticle(word));
  // without spaces, the characters around a word decide where it ends
  const isKnown = (word: Word): boolean =>
    passage.some((other) => isSameWord(word, other)) || (isUnspaced(word.text) && run.includes(word.text));
  const known = words.filter(isKnown);
  return (
    known.length * 2 >= words.length &&
    words.every((word) => word.value === undefined || isKnown(word)) &&
    known.some((word) => !asked.some((other) => other.text === word.text))
  );
}

const joinedOf = (words: Word[]): string => words.map(({ text }) => text).join('');
