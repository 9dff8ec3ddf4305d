import { z } from 'zod';
import { gradeAnswer, graderVersion } from '../../seal/grading.js';
import { defineDomain } from '../domain.js';
import { ask } from './ask.js';
import { parseEdit, passageExample } from './edits.js';
import { mergeExamples } from './merge.js';
import { readRetention } from './retention.js';
import { replayPrompts } from './replay.js';
import { ruleExamples } from './rules.js';
import { passageSchema, questionSchema } from './schema.js';
import { readSources } from './sources.js';
import { proposal, templates } from './templates.js';

/** Passages with questions: a model learns what a document says, and answers without seeing it. */
export const knowledgeDomain = defineDomain(
  { source: passageSchema, item: questionSchema, answer: z.string() },
  {
    id: 'knowledge',
    templates,
    components: ['match', 'exactMatch', 'f1'],
    primary: 'match',
    grader: graderVersion,
    parser: 'edits-2',
    sources: readSources,
    retention: readRetention,
    label: ({ title }) => title,
    sourceText: ({ text }) => text,
    itemText: ({ question }) => question,
    replayPrompts,
    proposal,
    parseEdit,
    rawExamples: (passage) => [passageExample(passage)],
    ruleExamples,
    mergeExamples,
    ask,
    readAnswer: (completion) => completion.trim(),
    grade: ({ answer: reference, otherAnswers, question }, answer) => {
      const { match, exactMatch, f1 } = gradeAnswer(reference, answer, { question, otherAnswers });
      return { match: Number(match), exactMatch: Number(exactMatch), f1 };
    },
  },
);
