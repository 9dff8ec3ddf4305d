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
  let [latin, accented, digits, otherBytes] = [0, 0, 0, 0];
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x30 && unit <= 0x39) digits += 1;
    else if (unit < 0x80) latin += 1;
    else if ((unit >= 0xc0 && unit <= 0x24f) || (unit >= 0x1e00 && unit <= 0x1eff)) accented += 1;
    // of a pair of units, which is four bytes, each is two
    else otherBytes += unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 2 : 3;
  }
  const perLetter = accented > 0.005 * latin ? 0.4 : 0.22;
  return Math.ceil(latin * perLetter + accented + digits + otherBytes * 0.6);
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
