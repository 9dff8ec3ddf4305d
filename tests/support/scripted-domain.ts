import type { Domain, Source } from '../../src/domains/domain.js';
import { gradeAnswer } from '../../src/seal/grading.js';

/**
 * A domain whose edits are plain lines. `directed` takes two steps, the first of which writes directives as JSON; an edit
 * without a line is invalid.
 */
export const scriptedDomain: Domain = {
  id: 'scripted',
  grader: 'scripted-1',
  primary: 'match',
  parser: 'scripted-1',
  answerTokens: 24,
  sources: () => ({ sources: [], problems: [], leftOut: [], merged: 0 }),
  proposal: (source, template) => {
    const write = {
      name: 'write',
      prompt: (previous: string[]) => chat(`Write lines about ${source.title}. ${previous.join(' ')}`.trim()),
    };
    return template === 'directed' ? [{ name: 'plan', prompt: chat(`Plan ${source.title}.`) }, write] : [write];
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
  rawExamples: (source) => [{ text: source.text }],
  itemPrompt: (source, item, arm) =>
    chat(arm === 'inContext' ? `${source.text} ${item.question}` : `Briefly: ${item.question}`),
  grade: (item, answer) => ({ match: Number(gradeAnswer(item.answer, answer).match) }),
};

const chat = (content: string) => ({ kind: 'chat' as const, messages: [{ role: 'user' as const, content }] });

/** A document with two questions of each part, whose answers are `<id>-a1` … `<id>-b2`. */
export function scriptedSource(sourceId: string, role: Source['role']): Source {
  const items = ['a1', 'a2', 'b1', 'b2'].map((which) => ({
    itemId: `${sourceId}.${which}`,
    question: `what is ${which} of ${sourceId}?`,
    answer: `${sourceId}-${which}`,
    split: which.startsWith('a') ? ('A' as const) : ('B' as const),
  }));
  return { sourceId, title: `The ${sourceId}`, text: `All about ${sourceId}.`, role, items };
}
