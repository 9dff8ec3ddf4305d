import { isLongEnough, linesOf, lostOf, withoutCutEnd, type Read } from './edit-lines.js';

/** A question that an edit asks, with its answer. */
export interface QuestionPair {
  question: string;
  answer: string;
}

/** A question mark of any script. In Greek it looks like a semicolon, in Armenian it stands within a word. */
const mark = String.raw`(?:[?？؟⸮፧]|[;\u037e](?<=\p{Script=Greek}.*)|[։:.](?<=՞[^՞]*)|՞$)`;
const quotes = String.raw`["'”’»」』)）]*`;
const asking = new RegExp(`${mark}${quotes}$`, 'u');

/** Labels that are known without a question mark, too; others are told by how they take turns. */
const questionNames =
  'q|question|frage|pregunta|domanda|pergunta|vraag|вопрос|ερώτηση|سؤال|السؤال|س|प्रश्न|सवाल|คำถาม|ถาม|hỏi|câu hỏi|întrebare|soru|pytanie|otázka|שאלה|问|問|问题|問題|質問|質问|质问|질문|문';
const answerNames =
  'a|ans|answer|antwort|respuesta|risposta|resposta|réponse|antwoord|ответ|απάντηση|جواب|الجواب|إجابة|الإجابة|ج|उत्तर|जवाब|คำตอบ|ตอบ|đáp|trả lời|răspuns|cevap|odpowiedź|odpověď|תשובה|答|答案|回答|답|대답|답변';
const known = (names: string): RegExp =>
  new RegExp(String.raw`^(?:${names})\s*\p{Nd}*\s*(?:[:：﹕]|[.)-](?!\S*[.)]))\s*`, 'iu');
const questionLabel = known(questionNames);
const answerLabel = known(answerNames);
/** One or two words, perhaps a number, and a colon. */
const anyLabel = /^(\p{L}[\p{L}\p{M}]{0,15}(?: \p{L}[\p{L}\p{M}]{0,15})?)[ .]*\p{Nd}*\s*[:：﹕]\s*/u;

const labelWithin = new RegExp(
  String.raw`(?<=[?？؟⸮;\u037e.!。！)）]\s*|\s(?=\S\S))(?=(?:${questionNames}|${answerNames})\s*\p{Nd}*\s*[:：﹕])`,
  'giu',
);
const questionThenMore = new RegExp(
  String.raw`^(.+?${mark}${quotes})[-–—:：=>→(（\s]*((?:\p{L}[\p{L}\p{M}]{0,11}\s*\p{Nd}*\s*[:：]|(?:a|ans|answer)\s*\d*\s*[.)])\s*)?(.+)$`,
  'iu',
);

interface Line {
  kind: 'question' | 'answer';
  text: string;
}

/**
 * The questions of an edit with their answers: labelled in any language ("Q1: … A: …", "问：…？ 答：…"), numbered, bold, on
 * one line or on two, as JSON or a table. A question without an answer goes, and so does a last pair that was cut off.
 */
export function readPairs(text: string): Read<QuestionPair> {
  const lines = linesOf(text, 'pairs').flatMap((line) => line.replace(labelWithin, '\n').split('\n'));
  const pairs: QuestionPair[] = [];
  let question: string | null = null;
  for (const { kind, text } of kindsOf(lines)) {
    if (kind === 'question') question = isLongEnough(text) ? text : null;
    else {
      if (question !== null && text !== '' && !asking.test(text)) pairs.push({ question, answer: text });
      question = null;
    }
  }
  const whole = withoutCutEnd(pairs, ({ answer }) => answer);
  return { found: whole, lost: lostOf(lines.length, 'a question without an answer or an answer without a question') };
}

function kindsOf(lines: string[]): Line[] {
  const { questions, answers } = labelsOf(lines);
  return lines.flatMap((line): Line[] => {
    const label = anyLabel.exec(line);
    const name = label?.[1]?.toLowerCase() ?? '';
    const rest = line.slice(label?.[0].length ?? 0).trim();
    if (answerLabel.test(line)) return [{ kind: 'answer', text: line.replace(answerLabel, '').trim() }];
    if (answers.has(name)) return [{ kind: 'answer', text: rest }];
    const isLabelled = questionLabel.test(line) || questions.has(name);
    const asked = questionLabel.test(line) ? line.replace(questionLabel, '').trim() : questions.has(name) ? rest : line;
    if (asking.test(asked)) return [{ kind: 'question', text: asked }];
    const [, question, answerName, answer] = questionThenMore.exec(asked) ?? [];
    if (question !== undefined && answer !== undefined) {
      // both parts are labelled, or neither
      const bare = answerName === undefined || isLabelled ? question : question.replace(anyLabel, '');
      return [
        { kind: 'question', text: bare.trim() },
        { kind: 'answer', text: answer.trim() },
      ];
    }
    return [{ kind: isLabelled ? 'question' : 'answer', text: asked }];
  });
}

/** Labels that take turns: one before what asks and another before what follows, or two turn by turn. */
function labelsOf(lines: string[]): { questions: ReadonlySet<string>; answers: ReadonlySet<string> } {
  const labels = lines.map((line) => anyLabel.exec(line)?.[1]?.toLowerCase() ?? '');
  const [questions, answers] = [new Set<string>(), new Set<string>()];
  for (const [i, label] of labels.entries()) {
    const next = labels[i + 1] ?? '';
    if (label === '' || label === next || !asking.test(lines[i] ?? '') || asking.test(lines[i + 1] ?? '')) continue;
    if (next !== '') answers.add(next);
    if (next !== '' || labels.indexOf(label) !== labels.lastIndexOf(label)) questions.add(label);
  }
  const used = labels.filter((label) => label !== '');
  const [first = '', second = ''] = used;
  const takeTurns =
    used.length >= 4 && first !== second && used.every((label, i) => label === (i % 2 === 0 ? first : second));
  if (questions.size === 0 && takeTurns) {
    questions.add(first);
    answers.add(second);
  }
  return { questions, answers };
}
