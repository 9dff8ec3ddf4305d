import type { Longest } from '../../activities/corpus/lengths.js';
import type { LeftOut, Problem } from '../../domains/domain.js';
import { groupBy } from '../../lib/group-by.js';
import type { LanguageCount } from '../text/languages.js';

/** What `selkie corpus check` finds. */
export interface CorpusCheck {
  documents: number;
  questions: number;
  /** documents that are not trained on */
  heldOut: number;
  merged: number;
  leftOut: LeftOut[];
  problems: Problem[];
  languages: LanguageCount[];
  longest: Longest | null;
}

/** Places that are named for each reason. */
const named = 3;

export const canRun = ({ problems }: CorpusCheck): boolean => problems.every(({ stops }) => !stops);

/** The same for people. */
export function corpusText(check: CorpusCheck): string {
  const { documents, questions, heldOut, merged, leftOut, problems, languages, longest } = check;
  const facts = [
    `documents  ${documents}, ${heldOut} of them held out`,
    `questions  ${questions}`,
    `merged     ${merged}`,
    `languages  ${languages.map((one) => `${one.language} ${one.documents}`).join(', ') || 'none'}`,
    `longest    ${longest === null ? 'none' : `about ${longest.tokens} of ${longest.limit} tokens: ${longest.document}`}`,
  ];
  const sections = [
    facts,
    reasonsOf(leftOut),
    problems.map(
      ({ where, what, fix, stops }) => `${stops ? 'problem' : 'note   '}  ${where}: ${what}\n         ${fix}`,
    ),
    [canRun(check) ? 'A round can run on it.' : 'No round can run on it.'],
  ];
  return sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n');
}

/** A line for each reason, with the first places below it. */
function reasonsOf(leftOut: LeftOut[]): string[] {
  return [...groupBy(leftOut, ({ why }) => why)].map(([why, places]) => {
    const count = places.reduce((sum, one) => sum + one.count, 0);
    const shown = places.slice(0, named).map(({ where }) => where);
    const more = places.length > named ? [`and ${places.length - named} more places`] : [];
    return [`left out ${count} × ${why}`, ...shown, ...more].join('\n         ');
  });
}
