import { gradeAnswer, graderVersion } from '../../seal/grading.js';
import type { Domain } from '../domain.js';
import { parseEdit, passageExample } from './edits.js';
import { itemPrompt } from './prompts.js';
import { readSources } from './sources.js';
import { proposal } from './templates.js';

/** Passages with questions: a model shall know what a document says without seeing it. */
export const knowledgeDomain: Domain = {
  id: 'knowledge',
  grader: graderVersion,
  primary: 'match',
  parser: 'edits-2',
  answerTokens: 24,
  sources: readSources,
  proposal,
  parseEdit,
  rawExamples: (source) => [passageExample(source)],
  itemPrompt,
  grade: ({ answer: reference, otherAnswers, question }, answer) => {
    const { match, exactMatch, f1 } = gradeAnswer(reference, answer, { question, otherAnswers });
    return { match: Number(match), exactMatch: Number(exactMatch), f1 };
  },
};
