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
  parser: 'edits-2',
  answerTokens: 24,
  sources: readSources,
  proposal,
  parseEdit,
  rawExamples: (source) => [passageExample(source)],
  itemPrompt,
  grade: ({ answer: reference, otherAnswers, question }, answer) =>
    gradeAnswer(reference, answer, { question, otherAnswers }),
};
