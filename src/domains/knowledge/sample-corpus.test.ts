import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { gradeAnswer, tokensOf } from '../../seal/grading.js';
import { replayPrompts } from './replay.js';
import { readRetention } from './retention.js';
import { readSources } from './sources.js';

const read = (file: string): string =>
  readFileSync(new URL(`../../../corpus/sample/knowledge/${file}`, import.meta.url), 'utf8');
const { sources, problems } = readSources([{ file: 'knowledge-base.jsonl', text: read('knowledge-base.jsonl') }]);
const items = sources.flatMap((source) => source.items.map(({ content }) => ({ source, ...content })));

describe('the sample corpus', () => {
  it('can be read, with enough to train on and to hold out', () => {
    expect(problems).toEqual([]);
    expect(sources.filter(({ role }) => role === 'train').length).toBeGreaterThanOrEqual(18);
    expect(sources.filter(({ role }) => role === 'heldOut').length).toBeGreaterThanOrEqual(8);
    expect(new Set(sources.map(({ content }) => content.title)).size).toBe(sources.length);
  });

  it.each(sources.map((source) => [source.content.title, source] as const))(
    '%s is short and asks 3 and 3',
    (_, source) => {
      const words = source.content.text.split(/\s+/).length;
      expect(words).toBeGreaterThanOrEqual(60);
      expect(words).toBeLessThanOrEqual(100);
      expect(source.items.filter(({ split }) => split === 'A')).toHaveLength(3);
      expect(source.items.filter(({ split }) => split === 'B')).toHaveLength(3);
    },
  );

  it('has answers of one to four words that stand in the document, and not in their question', () => {
    for (const { source, question, answer } of items) {
      expect(source.content.text, question).toContain(answer);
      expect(answer.split(' ').length, question).toBeLessThanOrEqual(4);
      expect(gradeAnswer(answer, question).match, question).toBe(false);
      // neither can the title nor another answer of the same document be taken for it
      expect(gradeAnswer(answer, source.content.title).match, question).toBe(false);
      const others = source.items.filter((other) => other.content.question !== question);
      expect(
        others.filter((other) => gradeAnswer(answer, other.content.answer).match),
        question,
      ).toEqual([]);
    }
  });

  it('has canaries that no training replays, or they would not tell what is forgotten', () => {
    const canaries = readRetention([{ file: 'canaries.json', text: read('canaries.json') }]).items;
    expect(canaries.length).toBeGreaterThan(0);
    const replayed = new Set(replayPrompts.map((prompt) => tokensOf(prompt.replace(/^\w+: |\n\w+:$/gu, '')).join(' ')));
    for (const { question } of canaries) expect(replayed).not.toContain(tokensOf(question).join(' '));
  });

  it('asks with a name, so that every question can be understood without its document', () => {
    for (const { source, question } of items) {
      const title = new Set(tokensOf(source.content.title));
      const named = tokensOf(question).some((token) => title.has(token) || title.has(token.replace(/s$/, '')));
      expect(named, `${source.content.title}: ${question}`).toBe(true);
    }
  });

  it('asks nothing twice, and about another fact in A than in B', () => {
    const asked = items.map(({ question }) => tokensOf(question).join(' '));
    expect(new Set(asked).size).toBe(asked.length);
    for (const source of sources) {
      const answers = source.items.map(({ content }) => tokensOf(content.answer).join(' '));
      expect(new Set(answers).size, source.content.title).toBe(answers.length);
    }
  });

  it.each(['canaries.json', 'frozen.json'])('%s has short questions of no document', (file) => {
    const probes = JSON.parse(read(file)) as { question: string; answer: string }[];
    expect(probes.length).toBeGreaterThanOrEqual(12);
    expect(new Set(probes.map(({ question }) => question)).size).toBe(probes.length);
    for (const { question, answer } of probes) {
      expect(question.trim()).not.toBe('');
      expect(answer.split(' ').length).toBeLessThanOrEqual(4);
      expect(sources.some(({ content }) => content.text.includes(question))).toBe(false);
    }
  });
});
