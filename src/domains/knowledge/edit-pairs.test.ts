import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readStatements } from './edit-lines.js';
import { readPairs } from './edit-pairs.js';

const pair = { question: 'Who opened the inn?', answer: 'Greta Molle' };

describe('readPairs', () => {
  it.each([
    ['Q: Who opened the inn?\nA: Greta Molle'],
    ['Q1: Who opened the inn?\nA1: Greta Molle'],
    ['**Question 1:** Who opened the inn?\n**Answer:** Greta Molle'],
    ['Question: Who opened the inn?\n\n\nAnswer: Greta Molle'],
    ['1. Who opened the inn?\n   - Greta Molle'],
    ['1) Who opened the inn? - Greta Molle'],
    ['- Who opened the inn? Greta Molle'],
    ['Who opened the inn? (A: Greta Molle'],
    ['Q: Who opened the inn? A: Greta Molle'],
    ['Questions:\nQ. Who opened the inn?\nAns: Greta Molle'],
    ['Greta Molle opened it in 1931.\nQ: Who opened the inn?\nA: Greta Molle'],
    ['Q: Who lives in?\nQ: Who opened the inn?\nA: Greta Molle'],
    ['A: of nothing\nQ: Who opened the inn?\nA: Greta Molle\nQ: What el'],
    ['Q: Who opened the inn?\nA: Greta Molle\nQ: Who?\nA: Owen'],
    ['Q: Who opened the inn?\nA: Greta Molle\nQ: When was that then?\nA:'],
    ['Q: Who opened the inn?\nA: Greta Molle\nQ: Who opened the inn?\nA: greta molle'],
  ])('reads %j', (text) => {
    const { found } = readPairs(text);
    expect(
      found.map(({ question, answer }) => ({ question, answer: answer.replace('greta molle', 'Greta Molle') })),
    ).toEqual([pair]);
  });

  it.each([
    ['问：青石图书馆是谁设计的？\n答：林小雨', '青石图书馆是谁设计的？', '林小雨'],
    ['问题1：青石图书馆是谁设计的？答案1：林小雨', '青石图书馆是谁设计的？', '林小雨'],
    ['質問：灯台はどこに立っていますか？\n回答：潮見岬', '灯台はどこに立っていますか？', '潮見岬'],
    ['質問：灯台はどこに立っていますか\n回答：潮見岬', '灯台はどこに立っていますか', '潮見岬'],
    ['คำถาม: ตลาดน้ำบางฟ้าเปิดวันใด\nคำตอบ: วันเสาร์', 'ตลาดน้ำบางฟ้าเปิดวันใด', 'วันเสาร์'],
    ['질문: 서울은 어디에 있습니까?\n답: 한국', '서울은 어디에 있습니까?', '한국'],
    ['س: من صمم المكتبة؟\nج: عمر ناصري', 'من صمم المكتبة؟', 'عمر ناصري'],
    ['سؤال: من صمم المكتبة؟ جواب: عمر ناصري', 'من صمم المكتبة؟', 'عمر ناصري'],
    ['Frage: Wer gründete den Gasthof?\nAntwort: Greta Molle', 'Wer gründete den Gasthof?', 'Greta Molle'],
    ['Ερώτηση: Ποιος έχτισε το πανδοχείο;\nΑπάντηση: η Γκρέτα', 'Ποιος έχτισε το πανδοχείο;', 'η Γκρέτα'],
    ['Հարց: Ո՞վ է կառուցել տունը։\nՊատասխան: Գրետա', 'Ո՞վ է կառուցել տունը։', 'Գրետա'],
    ['Kysymys: Kuka avasi majatalon?\nVastaus: Greta Molle', 'Kuka avasi majatalon?', 'Greta Molle'],
    ['Kysymys 1: Kuka avasi majatalon? Vastaus 1: Greta Molle', 'Kuka avasi majatalon?', 'Greta Molle'],
    ['¿Quién abrió la posada? Greta Molle', '¿Quién abrió la posada?', 'Greta Molle'],
    ['प्रश्न: सराय किसने खोली?\nउत्तर: ग्रेटा', 'सराय किसने खोली?', 'ग्रेटा'],
    ['שאלה: מי פתח את הפונדק?\nתשובה: גרטה', 'מי פתח את הפונדק?', 'גרטה'],
  ])('reads labels and marks of other languages: %j', (text, question, answer) => {
    expect(readPairs(text).found).toEqual([{ question, answer }]);
  });

  it('tells labels that it does not know by how they take turns', () => {
    const text = 'Kys: majatalon avaaja oli\nVas: Greta Molle\nKys: majatalon huoneita on\nVas: kaksitoista';
    expect(readPairs(text).found.map(({ answer }) => answer)).toEqual(['Greta Molle', 'kaksitoista']);
    expect(readPairs('Founder: Greta Molle\nRooms: twelve').found).toEqual([]);
  });

  it.each([
    ['a JSON list', JSON.stringify([pair])],
    ['fenced JSON', `\`\`\`json\n${JSON.stringify({ questions: [{ id: 1, ...pair }] }, null, 2)}\n\`\`\``],
    ['JSON of other languages', JSON.stringify([{ Frage: pair.question, Antwort: pair.answer }])],
    ['a map', JSON.stringify({ [pair.question]: pair.answer })],
    ['lists of two', JSON.stringify([[pair.question, pair.answer]])],
    ['labelled texts', JSON.stringify([`Q: ${pair.question}`, `A: ${pair.answer}`])],
    ['lines of JSON', `${JSON.stringify(pair)}\n`],
    ['JSON that was cut off', `${JSON.stringify([pair], null, 2).slice(0, -2)},\n  {"question": "When did sh`],
    ['a table', `| Question | Answer |\n|---|---|\n| ${pair.question} | ${pair.answer} |`],
    ['a table without a head', `1 | ${pair.question} | ${pair.answer}`],
    ['one line', `Q: ${pair.question} A: ${pair.answer} Q: When was that then?`],
  ])('reads %s', (_, text) => {
    expect(readPairs(text).found).toEqual([pair]);
  });

  it('drops a last answer that was cut off where the others are sentences', () => {
    const text = 'Q: Who opened the inn?\nA: Greta did.\nQ: When did she do so?\nA: It was in the ye';
    expect(readPairs(text).found).toHaveLength(1);
  });

  it('says why nothing could be used', () => {
    expect(readPairs('').lost).toBe('the completion is empty');
    expect(readPairs('Q: Who opened the inn?\nQ: Who shut the inn?').lost).toMatch(/no line of 2 could be used/);
  });

  it('never throws, and finds no empty question or answer', () => {
    const line = fc.oneof(
      fc.string(),
      fc.constantFrom('Q: ', 'A: ', 'Who is it?', '1. ', '**', 'Question 1: What is it?'),
    );
    fc.assert(
      fc.property(
        fc.array(line).map((lines) => lines.join('\n')),
        (text) => {
          for (const { question, answer } of readPairs(text).found) {
            expect(question.trim()).not.toBe('');
            expect(answer.trim()).not.toBe('');
          }
          for (const statement of readStatements(text).found) expect(statement.trim()).not.toBe('');
        },
      ),
    );
  });
});
