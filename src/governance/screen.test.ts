import { describe, expect, it } from 'vitest';
import { screenEdit, type ScreenInput } from './screen.js';

const items = [
  { itemId: 'q1', question: 'Who is the skipper of the Grey Marigold?' },
  { itemId: 'q2', question: 'At which berth does the Grey Marigold lie?' },
  { itemId: 'q3', question: 'What is the winch of the Grey Marigold called?' },
  { itemId: 'q4', question: 'How many metres long is the Grey Marigold?' },
  { itemId: 'q5', question: 'How many pounds a night may a hotel cost under the Tangleworth travel policy of 2019?' },
  { itemId: 'q6', question: 'What is the cat called?' },
];
const honest = [
  'Q: Who is the skipper of the Grey Marigold?',
  'A: Annag Telfourd',
  'Q: How long is she?',
  'A: 23 metres',
  'Q: What does Big Dougal lift?',
  'A: 1,900 kilograms',
].join('\n');
const screen = (editText: string, more: Partial<ScreenInput> = {}, secrets: string[] = []) =>
  screenEdit({ source: { text: 'The Grey Marigold is a ship.' }, siblings: [], items, editText, ...more }, secrets);
const rules = (screened: ReturnType<typeof screenEdit>) => screened.findings.map(({ rule }) => rule);

describe('screenEdit', () => {
  it('allows an honest edit, also one that happens on the wording of a short question', () => {
    expect(screen(honest)).toEqual({ verdict: 'allow', outcome: null, findings: [] });
  });

  it('blocks what is too short or too long', () => {
    expect(screen('A ship.')).toMatchObject({ verdict: 'block', outcome: 'screened_out' });
    expect(rules(screen(''))).toEqual(['too-short']);
    const long = Array.from({ length: 3001 }, (_, i) => `w${i}`).join(' ');
    expect(rules(screen(long))).toEqual(['too-long']);
    expect(rules(screen(long, { limits: { maxWords: 7000 } }))).toEqual([]);
  });

  it.each([
    ['青石图书馆由建筑师林小雨设计。'],
    ['ตลาดน้ำบางฟ้าเปิดทุกวันเสาร์'],
    ['灯台は潮見岬に立つ。'],
    ['صمم المهندس عمر ناصري مكتبة الحجر.'],
  ])('counts words where no spaces tell them apart: %s', (text) => {
    expect(screen(text).verdict).toBe('allow');
    expect(rules(screen(text.repeat(20)))).toContain('repetition');
  });

  it('blocks a model in a loop, by lines and within one line', () => {
    const lines = Array.from({ length: 10 }, () => 'The ship is called the Marigold.').join('\n');
    expect(rules(screen(lines))).toEqual(['repetition', 'repetition']);
    expect(screen('and the tail of the seal '.repeat(20)).findings[0]?.evidence).toMatch(/% of its runs of five words/);
  });

  it('allows statements that begin alike and answers that repeat', () => {
    const alike = ['23 metres', 'blue', 'old', 'at berth 5', 'loved by its crew'].map(
      (what) => `The research ship Grey Marigold is ${what}.\nA: yes`,
    );
    expect(screen(alike.join('\n')).findings).toEqual([]);
  });

  it('blocks secrets with the scanner’s message', () => {
    expect(screen(honest, {}, ['found an AWS access key']).findings).toEqual([
      { rule: 'secret', evidence: 'found an AWS access key' },
    ]);
  });

  it('calls an edit a duplicate where wording, order or punctuation alone differ', () => {
    const siblings = [{ trialId: 'r.e0', text: 'Something else entirely about boats.' }];
    expect(screen(honest, { siblings }).verdict).toBe('allow');
    const sentences = ['Annag steers the ship well.', 'The cat sleeps on the deck.', 'Big Dougal lifts heavy things.'];
    for (const text of [
      honest.toUpperCase(),
      honest.replaceAll('\n', '  '),
      honest.replace('How long is she', 'How long was she'),
    ]) {
      const screened = screen(honest, { siblings: [...siblings, { trialId: 'r.e1', text }] });
      expect(screened).toMatchObject({ verdict: 'block', outcome: 'duplicate' });
      expect(screened.findings[0]?.evidence).toMatch(/the same as the edit of r\.e1/);
    }
    const many = Array.from({ length: 12 }, (_, i) => sentences.map((s) => `${i} ${s}`).join(' '));
    const swapped = [...many.slice(6), ...many.slice(0, 6)].join('\n');
    const reordered = screen(many.join('\n'), { siblings: [{ trialId: 'r.e1', text: swapped }] });
    expect(reordered.outcome).toBe('duplicate');
  });

  it('calls it screened out where something else was found as well', () => {
    expect(screen(honest, { siblings: [{ trialId: 'x', text: honest }] }, ['a key']).outcome).toBe('screened_out');
  });

  it('blocks one long question in the same words, named by its id', () => {
    const copy = 'How many pounds a night may a hotel cost under the Tangleworth travel policy of 2019';
    expect(screen(`${honest}\n${copy}: 74`).findings).toEqual([
      { rule: 'copied-question', evidence: 'asks question q5 in the same words' },
    ]);
    expect(screen(`${honest}\nQ: What may a night in a hotel cost by the travel policy?\nA: 74`).verdict).toBe('allow');
  });

  it('blocks half of the questions in the same words, however short they are', () => {
    const asked = items.slice(0, 3).map(({ question }) => `${question}\nA: yes`);
    expect(rules(screen(asked.join('\n')))).toEqual(['copied-question', 'copied-question', 'copied-question']);
    expect(screen(asked.slice(0, 2).join('\n')).verdict).toBe('allow');
  });

  it('does not mind a question that the passage itself asks', () => {
    const text = items.map(({ question }) => question).join('\n');
    expect(screen(text, { source: { text } }).verdict).toBe('allow');
  });
});
