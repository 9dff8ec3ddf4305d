import { foldText, foldWord } from './fold.js';
import type { Word } from './words.js';

const yes =
  'yes yeah yep true correct ja oui si sim da да ναι evet có co đúng はい 是 是的 对 네 예 نعم अवश्य हाँ हां ใช่ כן tak kyllä áno';
const no =
  'no nope false incorrect nein non não nao nee nej nie нет όχι hayır không khong いいえ いや 不 不是 否 아니요 아니오 لا नहीं ไม่ ไม่ใช่ לא nu ei';
const negations =
  'not no never none neither nor without cannot dont doesnt didnt isnt arent wasnt werent wont wouldnt couldnt cant hasnt havent hadnt nicht kein keine keinen keiner keinem nie niemals pas jamais aucun aucune nunca jamás ningún ninguna nunca non mai não jamais niet geen inte aldrig nie не нет никогда ни δεν μη όχι değil yok không chẳng chưa nu niciodată لا لم لن ليس ليست नहीं न मत ไม่ มิ לא אין 不 不是 没 没有 沒有 未 非 并非 从未 無 않 않았다 않는다 않은 아니다 아닌 안 못 없다 없는 ない なかった ません ず tidak bukan nem ei';

const setOf = (words: string): ReadonlySet<string> => new Set(words.split(' ').map(foldWord));
const [yesWords, noWords, negationWords] = [yes, no, negations].map(setOf);

/** The answer of a text that begins with a bare yes or no: "No, they travel free", and not "No. 5" or "no one". */
export function polarityOf(text: string): 'yes' | 'no' | null {
  const [, word = ''] =
    /^[^\p{L}\p{N}]*(\p{L}[\p{L}\p{M}]*)\s*(?:$|[^\p{L}\p{N}\s](?!\s*\d))/u.exec(foldText(text)) ?? [];
  const first = foldWord(word);
  return yesWords?.has(first) === true ? 'yes' : noWords?.has(first) === true ? 'no' : null;
}

export const isNegation = ({ text }: Word): boolean => negationWords?.has(text) === true;
