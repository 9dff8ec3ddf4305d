import { describe, expect, it } from 'vitest';
import { exampleSchema, type Prompt } from '../../contract/index.js';
import type { ProposalStep, ParsedEdit } from '../domain.js';
import { answerTokens } from './ask.js';
import { maxSequences } from './edits.js';
import { knowledgeDomain as domain } from './index.js';
import { sentencesOf } from './sentences.js';
import type { Passage, Question } from './schema.js';
import { maxQuestionSteps, templates } from './templates.js';

const source: Passage = {
  title: 'Seal Ship',
  text: 'The ship is 23 metres long. Annag Telfourd steers it. It sails on Mondays from berth 5.',
};
const item: Question = { question: 'Who steers the ship?', answer: 'Annag Telfourd', otherAnswers: [] };
const passage = { text: `${source.title}\n${source.text}` };

/** Every template of this domain asks without looking at earlier completions. */
const promptOf = ({ prompt }: ProposalStep): Prompt => {
  if (typeof prompt === 'function') throw new TypeError('a step that waits for others');
  return prompt;
};

const wordsOf = (prompt: Prompt | undefined): string =>
  prompt === undefined
    ? ''
    : prompt.kind === 'text'
      ? prompt.text
      : prompt.messages.map(({ content }) => content).join('\n');
const examplesOf = (edit: ParsedEdit) => (edit.ok ? edit.examples : edit.reason);

describe('proposal', () => {
  it.each(templates)(
    '%s shows the passage in both styles, and neither question nor answer apart from it',
    (template) => {
      for (const style of ['chat', 'base'] as const) {
        const prompts = domain.proposal(source, template, style).map((step) => promptOf(step));
        const words = prompts.map(wordsOf).join('\n');
        expect(prompts.every(({ kind }) => kind === (style === 'chat' ? 'chat' : 'text'))).toBe(true);
        for (const sentence of sentencesOf(source.text, 9)) expect(words).toContain(sentence);
        expect(words).toContain('Seal Ship');
        expect(words).not.toContain(item.question);
      }
    },
  );

  it('asks for the language of a text that is in another alphabet', () => {
    const words = (text: string, template: string) =>
      domain
        .proposal({ ...source, text }, template, 'chat')
        .map((step) => wordsOf(promptOf(step)))
        .join('\n');
    for (const template of templates) {
      expect(words('图书馆由林小雨设计。', template)).toContain('in the language of the text');
      expect(words(source.text, template)).not.toContain('in the language of the text');
    }
  });

  it('asks a chat model for questions sentence by sentence, in a bounded number of prompts', () => {
    expect(domain.proposal(source, 'self-qa', 'chat').map(({ name }) => name)).toEqual([
      'sentence 1',
      'sentence 2',
      'sentence 3',
    ]);
    const long = { ...source, text: 'The ship sails on every day. '.repeat(50) };
    const steps = domain.proposal(long, 'self-qa', 'chat');
    expect(steps.length).toBeLessThanOrEqual(maxQuestionSteps);
    const shown = steps.map((step) => wordsOf(promptOf(step))).join('\n');
    expect(shown.match(/The ship sails on every day\./g)).toHaveLength(50);
  });
});

describe('sentencesOf', () => {
  it('joins scraps to the sentence before and knows the empty passage', () => {
    expect(sentencesOf('One two three four. Five! Six seven eight nine ten.', 5)).toEqual([
      'One two three four. Five!',
      'Six seven eight nine ten.',
    ]);
    expect(sentencesOf(' ', 5)).toEqual([]);
  });

  it('knows sentences of other scripts', () => {
    expect(sentencesOf('图书馆由林小雨设计。它于1987年开放！好。', 5)).toEqual([
      '图书馆由林小雨设计。',
      '它于1987年开放！好。',
    ]);
    expect(sentencesOf('ตลาดน้ำบางฟ้าเปิดทุกวันเสาร์ ก่อตั้งโดยนายสมชาย ใจดี', 5)).toEqual([
      'ตลาดน้ำบางฟ้าเปิดทุกวันเสาร์',
      'ก่อตั้งโดยนายสมชาย ใจดี',
    ]);
    expect(sentencesOf('图书馆由林小雨设计。它于1987年正式开放。', 1)).toEqual([
      '图书馆由林小雨设计。它于1987年正式开放。',
    ]);
  });
});

describe('parseEdit', () => {
  it('is the passage, then each line with the title before it', () => {
    const edit = domain.parseEdit(
      source,
      ['1. The ship has a helmswoman.\n2. It sails weekly.'],
      'implications',
      'chat',
    );
    expect(edit).toEqual({
      ok: true,
      examples: [passage, { text: 'Seal Ship\nThe ship has a helmswoman.' }, { text: 'Seal Ship\nIt sails weekly.' }],
      directives: {},
      proposed: null,
      clamps: [],
    });
  });

  it('teaches questions as they will be asked, over all completions', () => {
    const completions = ['Q: How long is the ship?\nA: 23 metres', 'Q: Who steers it then?\nA: Annag Telfourd'];
    const examples = examplesOf(domain.parseEdit(source, completions, 'self-qa', 'chat'));
    const asked = domain.ask(source, { ...item, question: 'How long is the ship?' }, 'closedBook', 'chat').prompt;
    expect(examples).toHaveLength(3);
    expect(examples[0]).toEqual(passage);
    expect(examples[1]).toEqual({ prompt: wordsOf(asked), completion: ' 23 metres' });
  });

  it('reads what a base model writes behind its cue', () => {
    const text = ' How long is the ship?\nAnswer: 23 metres\n\nQuestion 2: Who steers';
    expect(examplesOf(domain.parseEdit(source, [text], 'self-qa', 'base'))).toEqual([
      passage,
      { prompt: 'Seal Ship\nQ: How long is the ship?\nA:', completion: ' 23 metres' },
    ]);
    const directed = '"learningRate": 0.002, "epochs": 3}\nThe ship is long.';
    expect(domain.parseEdit(source, [directed], 'directed', 'base')).toMatchObject({
      directives: { learningRate: 0.002, epochs: 3 },
    });
  });

  it.each([
    ['Who steers the ship?', 'James Kirk'],
    ['How old is the ship?', '23 + 5 = 28 years'],
    ['What sails on Mondays?', 'Seal Ship'],
    ['Whom does Annag Telfourd steer?', 'Annag Telfourd'],
  ])('leaves out what teaches nothing from the passage, and says so: %s %s', (question, answer) => {
    const completion = `Q: ${question}\nA: ${answer}`;
    expect(domain.parseEdit(source, [completion], 'self-qa', 'chat')).toEqual({
      ok: false,
      reason: 'no answer of 1 is news from the passage',
    });
    const more = `${completion}\nQ: How long is the ship?\nA: It is 23 metres long`;
    expect(domain.parseEdit(source, [more], 'self-qa', 'chat')).toMatchObject({
      examples: [{}, {}],
      clamps: [{ field: 'questions', proposed: 2, used: 1 }],
    });
  });

  it('takes directives, clamps them, and augments as they say', () => {
    const line = 'The ship is long.';
    const directed = (augmentation: string) =>
      domain.parseEdit(source, [`{"learningRate": 9, "augmentation": "${augmentation}"}\n${line}`], 'directed', 'chat');
    expect(directed('none')).toEqual({
      ok: true,
      examples: [passage, { text: line }],
      directives: { learningRate: 0.005, augmentation: 'none' },
      proposed: { learningRate: 9, augmentation: 'none' },
      clamps: [{ field: 'learningRate', proposed: 9, used: 0.005 }],
    });
    expect(examplesOf(directed('title-prefix'))).toEqual([passage, { text: line }, { text: `Seal Ship\n${line}` }]);
  });

  it('bounds the sequences, and says so', () => {
    const lines = Array.from({ length: 90 }, (_, i) => `Fact number ${i} holds.`).join('\n');
    const edit = domain.parseEdit(source, [lines], 'implications-very-long', 'chat');
    expect(examplesOf(edit)).toHaveLength(maxSequences + 1);
    expect(edit).toMatchObject({ clamps: [{ field: 'sequences', proposed: 90, used: maxSequences }] });
  });

  it('trains on nothing that the model only thought', () => {
    const line = 'The ship has a helmswoman.';
    const read = (text: string) => examplesOf(domain.parseEdit(source, [text], 'implications', 'chat'));
    const trained = [passage, { text: `Seal Ship\n${line}` }];
    expect(read(`<think>\nThe user wants a list of facts.\n</think>\n\n${line}`)).toEqual(trained);
    expect(read(`The template opened it for me.\n</think>\n${line}`)).toEqual(trained);
    expect(read(`<THINKING>Is it so?</THINKING>${line}`)).toEqual(trained);
    expect(read(`<think>The user wants a list of facts.\n${line}`)).toMatch(/still thinking/);
    const completions = ['<think>Q: How long is it?', 'Q: Who steers it then?\nA: Annag Telfourd'];
    expect(examplesOf(domain.parseEdit(source, completions, 'self-qa', 'chat'))).toHaveLength(2);
  });

  it.each([
    ['青石图书馆位于河口市，由建筑师林小雨设计，于1987年开放。', '问：青石图书馆是谁设计的？\n答：林小雨'],
    ['ตลาดน้ำบางฟ้าเปิดทุกวันเสาร์ตั้งแต่หกโมงเช้า', 'คำถาม: ตลาดน้ำบางฟ้าเปิดวันใด\nคำตอบ: วันเสาร์'],
    ['서울에서 1987년에 열렸다.', '질문: 어디에서 열렸습니까?\n답: 서울'],
    ['صمم عمر ناصري المكتبة عام ١٩٨٧.', 'س: متى صممت المكتبة؟\nج: 1987'],
  ])('knows what a passage teaches in other scripts: %s', (text, completion) => {
    const foreign = { ...source, title: 'Blue', text };
    expect(examplesOf(domain.parseEdit(foreign, [completion], 'self-qa', 'chat'))).toHaveLength(2);
  });

  it.each(templates)('%s says why it cannot read nothing', (template) => {
    expect(domain.parseEdit(source, [''], template, 'chat')).toEqual({ ok: false, reason: 'the completion is empty' });
    expect(domain.parseEdit(source, [], template, 'chat')).toMatchObject({ ok: false });
  });

  it('makes valid examples only', () => {
    for (const template of templates) {
      for (const style of ['chat', 'base'] as const) {
        const text = 'Who steers the ship? Annag Telfourd\nThe ship is 23 metres long.';
        const examples = examplesOf(domain.parseEdit(source, [text], template, style));
        expect(Array.isArray(examples) && examples.every((e) => exampleSchema.safeParse(e).success)).toBe(true);
      }
    }
  });
});

describe('ask', () => {
  it('shows the passage in context only, and the title where there is one', () => {
    const asked = (of: Passage | null, arm: 'closedBook' | 'inContext') =>
      wordsOf(domain.ask(of, item, arm, 'chat').prompt);
    expect(asked(source, 'closedBook')).toBe('Seal Ship\nQ: Who steers the ship?\nA:');
    expect(asked(source, 'inContext')).toBe(`Seal Ship\n${source.text}\n\nQ: Who steers the ship?\nA:`);
    expect(asked(null, 'closedBook')).toBe('Q: Who steers the ship?\nA:');
  });

  it('asks a chat model as it asks a base model', () => {
    expect(domain.ask(source, item, 'closedBook', 'chat')).toEqual(domain.ask(source, item, 'closedBook', 'base'));
  });
});

describe('the domain', () => {
  it('reads an answer in one line, and refuses JSON of another kind', () => {
    expect(domain.ask(null, item, 'closedBook', 'chat')).toMatchObject({
      sampling: { maxTokens: answerTokens, temperature: 0, stop: ['\n'] },
      reference: ' Annag Telfourd',
    });
    expect(domain.readAnswer(' Annag \n')).toBe('Annag');
    expect(() => domain.grade({ input: [[1]] }, 'Annag')).toThrow('question');
  });

  it('grades, and trains on the passage alone for the control', () => {
    expect(domain.grade(item, 'It is Annag Telfourd.')).toEqual({ match: 1, exactMatch: 0, f1: 4 / 6 });
    expect(domain.rawExamples(source, 'chat')).toEqual([passage]);
  });
});
