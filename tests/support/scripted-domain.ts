import { z } from 'zod';
import { defineDomain, type Source } from '../../src/domains/domain.js';
import { readRetention } from '../../src/domains/knowledge/retention.js';
import { passageSchema, questionSchema, type Passage, type Question } from '../../src/domains/knowledge/schema.js';

/**
 * A domain whose edits are plain lines. `directed` takes two steps, the first of which writes directives as JSON; an edit
 * without a line is invalid. Its corpus files are JSON arrays of sources as they are.
 */
export const scriptedDomain = defineDomain(
  { source: passageSchema, item: questionSchema, answer: z.string() },
  {
    id: 'scripted',
    templates: ['self-qa', 'rewrite', 'directed'],
    components: ['match'],
    primary: 'match',
    grader: '1',
    parser: '1',
    sources: (files) => ({
      sources: files.flatMap(({ text }) => JSON.parse(text) as Source<Passage, Question>[]),
      problems: [],
      leftOut: [],
      merged: 0,
    }),
    retention: readRetention,
    label: ({ title }) => title,
    sourceText: ({ text }) => text,
    itemText: ({ question }) => question,
    replayPrompts: ['Capital of Italy?'],
    proposal: ({ title }, template) => {
      const write = {
        name: 'write',
        prompt: (previous: string[]) => chat(`Write lines about ${title}. ${previous.join(' ')}`.trim()),
      };
      return template === 'directed' ? [{ name: 'plan', prompt: chat(`Plan ${title}.`) }, write] : [write];
    },
    parseEdit: (source, completions, template) => {
      const lines = (completions.at(-1) ?? '').split('\n').filter((line) => line.trim() !== '');
      if (lines.length === 0) return { ok: false, reason: 'the completion has no line' };
      const proposed: unknown = template === 'directed' ? JSON.parse(completions[0] ?? '{}') : null;
      return {
        ok: true,
        examples: [source.text, ...lines].map((text) => ({ text })),
        directives: proposed ?? {},
        proposed,
        clamps: [],
      };
    },
    rawExamples: ({ text }) => [{ text }],
    ruleExamples: ({ text }) => [{ text }],
    mergeExamples: (edits) => [...new Map(edits.flat().map((example) => [JSON.stringify(example), example])).values()],
    ask: (source, { question, answer }, arm) => ({
      prompt: chat(arm === 'inContext' ? `${source?.text ?? ''} ${question}` : `Briefly: ${question}`),
      sampling: { maxTokens: 24, temperature: 0 },
      reference: answer,
    }),
    readAnswer: (completion) => completion.trim(),
    grade: ({ answer: reference }, answer) => ({ match: Number(answer === reference) }),
  },
);

const chat = (content: string) => ({ kind: 'chat' as const, messages: [{ role: 'user' as const, content }] });

/** A document with two questions of each split, whose answers are `<id>-a1` … `<id>-b2`. */
export function scriptedSource(sourceId: string, role: Source['role']): Source<Passage, Question> {
  const items = ['a1', 'a2', 'b1', 'b2'].map((which) => ({
    itemId: `${sourceId}.${which}`,
    split: which.startsWith('a') ? ('A' as const) : ('B' as const),
    content: { question: `what is ${which} of ${sourceId}?`, answer: `${sourceId}-${which}`, otherAnswers: [] },
  }));
  return { sourceId, role, content: { title: `The ${sourceId}`, text: `All about ${sourceId}.` }, items };
}
