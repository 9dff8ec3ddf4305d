import { expect, it } from 'vitest';
import { estimateTokens } from './tokens.js';

// counted with the tokenizer of SmolLM2-135M
it.each([
  [
    301,
    'The ledger of the Harbour Ferry lists every crossing by day, hour, weather and number of carts, and the keeper signs each line in brown ink. '.repeat(
      10,
    ),
  ],
  [47, 'Η γέφυρα άνοιξε το 1911 και σχεδιάστηκε από τον μηχανικό'],
  [29, 'Мост был открыт в 1911 году инженером'],
  [45, 'पुल 1911 में खुला था और इंजीनियर ने बनाया'],
  [43, 'Cây cầu được khai trương vào năm 1911 bởi kỹ sư'],
  [82, 'ตลาดน้ำบางฟ้าเปิดทุกวันเสาร์ตั้งแต่หกโมงเช้า'],
  [50, '다리는 1911년에 열렸다 기술자가 설계했다'],
  [53, 'ツバメ灯台は潮見岬に立つ高さ三十メートルの灯台である'],
])('estimates %i tokens closely', (tokens, text) => {
  expect(estimateTokens(text) / tokens).toBeGreaterThan(0.7);
  expect(estimateTokens(text) / tokens).toBeLessThan(1.4);
});
