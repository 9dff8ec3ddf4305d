import type { Domain, LeftOut, Source } from '../../domains/domain.js';

/** How documents are put to a model. */
export interface Room {
  promptStyle: 'chat' | 'base';
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

/**
 * About how many tokens a text has, measured with the default model's tokenizer: four or five Latin letters to a token in
 * English, two and a half in a language with accents, a token for each digit, and 0.6 for each byte of UTF-8 in any other script. A
 * model with a larger vocabulary needs fewer in those.
 */
export function estimateTokens(text: string): number {
  const count = (pattern: RegExp): number => text.match(pattern)?.length ?? 0;
  const plain = count(/[A-Za-z]/gu);
  const accented = count(/[\u00c0-\u024f\u1e00-\u1eff]/gu);
  const digits = count(/\d/gu);
  const other = new TextEncoder().encode(text.replace(/[\p{ASCII}\u00c0-\u024f\u1e00-\u1eff]/gu, '')).length;
  const latin = accented > 0.005 * plain ? 0.4 : 0.22;
  const marks = count(/[\p{ASCII}]/gu) - plain - digits;
  return Math.ceil((plain + marks) * latin + accented + digits + other * 0.6);
}

/** Parts the documents that a model can read at once from those that it cannot, and says how long the longest is. */
export function fitting(
  domain: Domain,
  sources: Source[],
  { promptStyle, maxTokens, limit }: Room,
): { sources: Source[]; leftOut: LeftOut[]; longest: Longest | null } {
  const written = Math.max(domain.answerTokens, maxTokens);
  const lengths = sources.map((source) => {
    const [item] = [...source.items].sort((one, other) => other.question.length - one.question.length);
    const prompt = item === undefined ? null : domain.itemPrompt(source, item, 'inContext', promptStyle);
    const text = prompt?.kind === 'chat' ? prompt.messages.map(({ content }) => content).join('\n') : prompt?.text;
    return { source, tokens: estimateTokens(text ?? source.text) + written };
  });
  const longest = lengths.reduce<(typeof lengths)[number] | null>(
    (most, one) => (most === null || one.tokens > most.tokens ? one : most),
    null,
  );
  return {
    sources: lengths.filter(({ tokens }) => tokens <= limit).map(({ source }) => source),
    leftOut: lengths
      .filter(({ tokens }) => tokens > limit)
      .map(({ source, tokens }) => ({
        where: `${source.title} (${source.sourceId})`,
        why: `is too long, with its questions: about ${tokens} tokens, and the model reads ${limit}; split it`,
        count: source.items.length,
      })),
    longest: longest === null ? null : { document: longest.source.title, tokens: longest.tokens, limit },
  };
}
