import type { Prompt } from '../../contract/index.js';
import type { Domain, LeftOut, PromptStyle, Source } from '../../domains/domain.js';
import { questionsOf, type Question } from '../../domains/questions.js';

/** How documents are put to a model. */
export interface Room {
  promptStyle: PromptStyle;
  /** of one completion when an edit is written */
  maxTokens: number;
  /** tokens that the model reads and writes at once */
  limit: number;
}

export interface Longest {
  document: string;
  /** an estimate: the document with its longest question, and room for what is written */
  tokens: number;
  limit: number;
}

/** Tokens for each UTF-16 unit from here on, by script, as the default model's tokenizer has them. */
const unitTokens = [
  { from: 0x80, tokens: 1 }, // accented Latin
  { from: 0x370, tokens: 1.1 }, // Greek, Cyrillic, Hebrew, Arabic
  { from: 0x900, tokens: 1.5 }, // Devanagari and its kin
  { from: 0xe00, tokens: 1.9 }, // Thai, Lao and what follows
  { from: 0x1e00, tokens: 2 }, // Vietnamese Latin
  { from: 0x2000, tokens: 1.9 }, // marks, kana, Han
  { from: 0xac00, tokens: 2.7 }, // Hangul
  { from: 0xd7b0, tokens: 1.9 },
] as const;

/**
 * About how many tokens a text has for the default model; one with a larger vocabulary needs fewer in scripts other than Latin.
 * In English four or five letters are a token, in a language with accents two or three; a digit is one.
 */
export function estimateTokens(text: string): number {
  let [ascii, accented, digits, others] = [0, 0, 0, 0];
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x30 && unit <= 0x39) digits += 1;
    else if (unit < 0x80) ascii += 1;
    else {
      if (unit < 0x250 || (unit >= 0x1e00 && unit < 0x1f00)) accented += 1;
      others += unitTokens.findLast(({ from }) => unit >= from)?.tokens ?? 0;
    }
  }
  const perLetter = accented > 0.005 * ascii ? 0.42 : 0.22;
  return Math.ceil(ascii * perLetter + digits + others);
}

/** Parts the documents that a model can read at once from those that it cannot, and says how long the longest is. */
export function fitting(
  domain: Domain,
  sources: Source[],
  { promptStyle, maxTokens, limit }: Room,
): { sources: Source[]; leftOut: LeftOut[]; longest: Longest | null } {
  const lengths = sources.map((source) => ({ source, tokens: lengthOf(domain, source, promptStyle, maxTokens) }));
  const longest = lengths.reduce<(typeof lengths)[number] | null>(
    (most, one) => (most === null || one.tokens > most.tokens ? one : most),
    null,
  );
  return {
    sources: lengths.filter(({ tokens }) => tokens <= limit).map(({ source }) => source),
    leftOut: lengths
      .filter(({ tokens }) => tokens > limit)
      .map(({ source, tokens }) => ({
        where: `${domain.label(source.content)} (${source.sourceId})`,
        why: `is too long, with its questions: about ${tokens} tokens, and the model reads ${limit}; split it`,
        count: source.items.length,
      })),
    longest: longest === null ? null : { document: domain.label(longest.source.content), tokens: longest.tokens, limit },
  };
}

/** The source in the prompt of its longest item, and the answer or the edit after it. */
function lengthOf(domain: Domain, source: Source, style: PromptStyle, maxTokens: number): number {
  const tokensOf = ({ prompt, sampling }: Question): number =>
    estimateTokens(textOf(prompt)) + Math.max(sampling.maxTokens, maxTokens);
  const closedBook = questionsOf({ domain, style }, source, source.items, 'closedBook');
  // the prompts of all items with the source in each would be long
  const [longest] = closedBook.sort((one, other) => tokensOf(other) - tokensOf(one));
  const asked = longest === undefined ? [] : questionsOf({ domain, style }, source, [longest.item], 'inContext');
  return Math.max(estimateTokens(domain.sourceText(source.content)) + maxTokens, ...asked.map(tokensOf));
}

const textOf = (prompt: Prompt): string =>
  prompt.kind === 'text' ? prompt.text : prompt.messages.map(({ content }) => content).join('\n');
