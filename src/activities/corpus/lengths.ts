import type { Prompt } from '../../contract/index.js';
import type { Domain, LeftOut, PromptStyle, Source } from '../../domains/domain.js';
import { questionsOf, type Question } from '../../domains/questions.js';
import { estimateTokens } from '../../lib/tokens.js';

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
