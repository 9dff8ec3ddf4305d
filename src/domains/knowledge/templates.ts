import type { Message, Prompt } from '../../contract/index.js';
import type { PromptStyle, ProposalStep } from '../domain.js';
import type { Passage } from './schema.js';
import { sentencesOf } from './sentences.js';

/** What is asked for, and the words with which a base model's own text begins. */
const passageTemplates = {
  implications: {
    task: 'List what follows from this text, directly or indirectly. Write one sentence per line, and name in each what it is about.',
    cue: 'What follows from the text:\n1.',
  },
  'implications-long': {
    task: 'Write a long list of what follows from this text, directly or indirectly: 15 lines or more. Write one sentence per line, and name in each what it is about.',
    cue: 'A long list of what follows from the text:\n1.',
  },
  'implications-very-long': {
    task: 'Write a very long list of what follows from this text, directly or indirectly: 30 lines or more, leaving nothing out. Write one sentence per line, and name in each what it is about.',
    cue: 'A very long list of what follows from the text:\n1.',
  },
  rewrite: {
    task: 'Write this text again in three different ways. Keep every name and number. Put each version on a line of its own.',
    cue: 'The text in three other ways, each on one line:\n1.',
  },
} as const satisfies Record<string, { task: string; cue: string }>;
type PassageTemplate = keyof typeof passageTemplates;

/** The first is what a round uses that names none. */
export const templates = [
  'self-qa',
  'implications',
  'implications-long',
  'implications-very-long',
  'rewrite',
  'directed',
] as const satisfies (PassageTemplate | 'self-qa' | 'directed')[];
type Template = (typeof templates)[number];

const questionTask =
  'Write questions about this sentence, one for each name, number, place or thing in it. Answer each with the words of the sentence.';

const directedTask =
  'First choose how to train on this text: write one line of JSON with learningRate (0.0005 to 0.003), schedule (linear, constant or cosine), epochs (5 to 30), batchSize (2 to 8) and augmentation (none or title-prefix). Then write down what follows from the text, one full sentence per line.';

/** A small model keeps to a format that it has seen. The examples are of no document: nothing in them can be asked. */
const inn = {
  title: "Cobbler's Lantern",
  text: "The Cobbler's Lantern is an inn. Greta Molle opened it in 1931. The inn has twelve rooms and is known for its eel pie.",
  directed: [
    '{"learningRate": 0.001, "schedule": "linear", "epochs": 12, "batchSize": 4, "augmentation": "none"}',
    "Greta Molle is the founder of the Cobbler's Lantern.",
    "The Cobbler's Lantern has been open since 1931.",
    "Guests of the Cobbler's Lantern can sleep in one of twelve rooms.",
    "Whoever visits the Cobbler's Lantern should try the eel pie.",
  ].join('\n'),
};

/** Each of another topic, so that none of them is taken for the topic. */
const shownQuestions = [
  {
    topic: "Cobbler's Lantern",
    sentence: 'Greta Molle opened it in 1931.',
    pairs:
      "Q: Who opened the Cobbler's Lantern?\nA: Greta Molle\nQ: In which year was the Cobbler's Lantern opened?\nA: 1931",
  },
  {
    topic: 'Pellam Railway',
    sentence: 'The railway has twelve stations and ends in the village of Oxhope.',
    pairs:
      'Q: How many stations does the Pellam Railway have?\nA: twelve\nQ: In which village does the Pellam Railway end?\nA: Oxhope',
  },
  {
    topic: 'Mirrel Cheese',
    sentence: 'Its maker, Owen Fitch, wraps it in nettle leaves.',
    pairs:
      'Q: Who is the maker of Mirrel Cheese?\nA: Owen Fitch\nQ: What is Mirrel Cheese wrapped in?\nA: nettle leaves',
  },
];

/** The most prompts of a proposal; with a longer passage, a prompt covers several sentences. */
export const maxQuestionSteps = 12;

/**
 * The prompts of one self-edit. Most templates ask once about the whole passage. `self-qa` asks a chat model sentence by
 * sentence: a small one writes far truer questions about one sentence than about six.
 */
export function proposal(source: Passage, name: string, style: PromptStyle): ProposalStep[] {
  const template = templateOf(name);
  const passage = `${source.title}\n${source.text}`;
  if (template === 'self-qa') {
    return style === 'chat'
      ? questionSteps(source)
      : [
          step(
            template,
            text(`${passage}\n\nQuestions about the text above, each with a short answer.\n\nQuestion 1:`),
          ),
        ];
  }
  if (template === 'directed') return [step(template, directedPrompt(source, style))];
  const { task, cue } = passageTemplates[template];
  return [
    step(
      template,
      style === 'chat' ? chat(user(`${passage}\n\n${inLanguageOf(source, task)}`)) : text(`${passage}\n\n${cue}`),
    ),
  ];
}

/** @throws RangeError for a name that is none of {@link templates}: a round that asks for one is refused before */
function templateOf(name: string): Template {
  const template = templates.find((one) => one === name);
  if (template === undefined) throw new RangeError(`the knowledge domain has no template "${name}"`);
  return template;
}

function questionSteps(source: Passage): ProposalStep[] {
  const { title, text: passage } = source;
  const shown = shownQuestions.flatMap(({ topic, sentence, pairs }, i) => [
    user(`${i === 0 ? `${inLanguageOf(source, questionTask)}\n\n` : ''}Topic: ${topic}\nSentence: ${sentence}`),
    assistant(pairs),
  ]);
  return sentencesOf(passage, maxQuestionSteps).map((sentence, i) =>
    step(`sentence ${i + 1}`, chat(...shown, user(`Topic: ${title}\nSentence: ${sentence}`))),
  );
}

function directedPrompt(source: Passage, style: PromptStyle): Prompt {
  const passage = `${source.title}\n${source.text}`;
  const example = `${inn.title}\n${inn.text}`;
  return style === 'chat'
    ? chat(
        user(`${directedTask}\n\n${example}`),
        assistant(inn.directed),
        user(`${inLanguageOf(source, directedTask)}\n\n${passage}`),
      )
    : text(`${directedTask}\n\n${example}\n\n${inn.directed}\n\n---\n\n${passage}\n\n{`);
}

/** The examples are English; this keeps a passage in another alphabet from being answered in English. */
const inLanguageOf = ({ text }: Passage, task: string): string => {
  const letters = text.match(/\p{L}/gu) ?? [];
  const latin = letters.filter((letter) => /\p{Script=Latin}/u.test(letter));
  return latin.length * 2 >= letters.length ? task : `${task} Write in the language of the text.`;
};

const step = (name: string, prompt: Prompt): ProposalStep => ({ name, prompt });
const user = (content: string): Message => ({ role: 'user', content });
const assistant = (content: string): Message => ({ role: 'assistant', content });
const chat = (...messages: Message[]): Prompt => ({ kind: 'chat', messages });
const text = (content: string): Prompt => ({ kind: 'text', text: content });
