import { distance } from 'fastest-levenshtein';
import { percent } from '../lib/format.js';
import { tokensOf } from '../seal/grading.js';

export interface ScreenInput {
  source: { text: string };
  /** edits of the same source that came before this one: of two equal edits the first stays */
  siblings: { trialId: string; text: string }[];
  /** what the model wrote */
  editText: string;
  /** every question that will be asked about the source, parts A and B */
  items: { itemId: string; question: string }[];
  limits?: Partial<ScreenLimits>;
}

export interface ScreenLimits {
  minWords: number;
  maxWords: number;
  /** share of an edit's lines, or of its runs of five words, that were there before */
  repeated: number;
  /** likeness, 0..1, from which two edits are the same edit */
  sameEdit: number;
  /** likeness, 0..1, from which a question is the same question */
  sameQuestion: number;
  /** from this length on, equal words are no coincidence: one copied question is too many */
  longQuestion: number;
  /** short questions have an obvious wording, so this share of them (and three at least) must be copied */
  shortQuestions: number;
}

export const screenLimits: ScreenLimits = {
  minWords: 5,
  maxWords: 3000,
  repeated: 0.5,
  sameEdit: 0.9,
  sameQuestion: 0.95,
  longQuestion: 12,
  shortQuestions: 0.5,
};

export interface Finding {
  rule: 'too-short' | 'too-long' | 'repetition' | 'secret' | 'copied-question' | 'near-duplicate';
  evidence: string;
}

export interface Screened {
  verdict: 'allow' | 'block';
  /** `duplicate` where that is all that was found */
  outcome: 'screened_out' | 'duplicate' | null;
  findings: Finding[];
}

/**
 * Whether an edit may be trained on. `secretFindings` are a secret scanner's messages, which must not hold the secret.
 * The evidence names questions by id and never says an answer.
 */
export function screenEdit(input: ScreenInput, secretFindings: string[]): Screened {
  const limits = { ...screenLimits, ...input.limits };
  const words = tokensOf(input.editText);
  const findings: Finding[] = [
    ...sizeOf(words.length, limits),
    ...repetitionOf(input.editText, words, limits),
    ...secretFindings.map((evidence): Finding => ({ rule: 'secret', evidence })),
    ...copiedQuestions(words, input, limits),
    ...nearDuplicates(words, input.siblings, limits),
  ];
  if (findings.length === 0) return { verdict: 'allow', outcome: null, findings };
  const onlyDuplicate = findings.every(({ rule }) => rule === 'near-duplicate');
  return { verdict: 'block', outcome: onlyDuplicate ? 'duplicate' : 'screened_out', findings };
}

function sizeOf(words: number, { minWords, maxWords }: ScreenLimits): Finding[] {
  if (words < minWords) return [{ rule: 'too-short', evidence: `${words} words, at least ${minWords} are needed` }];
  if (words > maxWords) return [{ rule: 'too-long', evidence: `${words} words, at most ${maxWords} are allowed` }];
  return [];
}

function repetitionOf(text: string, words: string[], { repeated }: ScreenLimits): Finding[] {
  // one-word answers repeat in an honest edit
  const lines = text.split('\n').flatMap((line) => {
    const tokens = tokensOf(line);
    return tokens.length >= 4 ? [tokens.join(' ')] : [];
  });
  const measured = [
    { of: 'lines', share: repeatedShare(lines) },
    { of: 'runs of five words', share: repeatedShare(runsOf(words, 5)) },
  ];
  return measured
    .filter(({ share }) => share > repeated)
    .map(({ of, share }) => ({ rule: 'repetition', evidence: `${percent(share, 0)} of its ${of} were there before` }));
}

function copiedQuestions(words: string[], { source, items }: ScreenInput, limits: ScreenLimits): Finding[] {
  const passage = tokensOf(source.text);
  const copied = items.flatMap(({ itemId, question }) => {
    const asked = tokensOf(question);
    // a passage may itself hold the question, as a page of frequent questions does
    const isCopy = holds(words, asked, limits.sameQuestion) && !holds(passage, asked, limits.sameQuestion);
    return isCopy ? [{ itemId, long: asked.length >= limits.longQuestion }] : [];
  });
  const many = copied.length >= Math.max(3, limits.shortQuestions * items.length);
  return copied
    .filter(({ long }) => long || many)
    .map(({ itemId }) => ({ rule: 'copied-question', evidence: `asks question ${itemId} in the same words` }));
}

function nearDuplicates(words: string[], siblings: ScreenInput['siblings'], { sameEdit }: ScreenLimits): Finding[] {
  const shingles = new Set(runsOf(words, 3));
  return siblings.flatMap(({ trialId, text }): Finding[] => {
    const others = tokensOf(text);
    const alike = Math.max(likeness(words.join(' '), others.join(' ')), jaccard(shingles, new Set(runsOf(others, 3))));
    return alike >= sameEdit
      ? [{ rule: 'near-duplicate', evidence: `${percent(alike, 0)} the same as the edit of ${trialId}` }]
      : [];
  });
}

/** Whether a run of `text` is like `phrase`, word boundaries kept. */
function holds(text: string[], phrase: string[], atLeast: number): boolean {
  if (phrase.length === 0) return false;
  const wanted = phrase.join(' ');
  return runsOf(text, phrase.length).some((run) => likeness(run, wanted) >= atLeast);
}

/** All runs of `length` words in order; the whole text where it is shorter. */
function runsOf(words: string[], length: number): string[] {
  if (words.length === 0) return [];
  const count = Math.max(1, words.length - length + 1);
  return Array.from({ length: count }, (_, i) => words.slice(i, i + length).join(' '));
}

const repeatedShare = (parts: string[]): number => (parts.length === 0 ? 0 : 1 - new Set(parts).size / parts.length);

/** 1 − edit distance over the longer length; 1 for two empty texts. */
function likeness(left: string, right: string): number {
  const longer = Math.max(left.length, right.length);
  return longer === 0 ? 1 : 1 - distance(left, right) / longer;
}

function jaccard(left: Set<string>, right: Set<string>): number {
  const shared = [...left].filter((part) => right.has(part)).length;
  const all = left.size + right.size - shared;
  return all === 0 ? 1 : shared / all;
}
