/**
 * Articles, prepositions, conjunctions and auxiliaries: an answer may say its thing with others. Words that mean something
 * in another of the languages ("war", "man", "son") are not here.
 */
const fillers = new Set(
  [
    'a an the of in on at by for from to with into onto and or as is are was were be been being it its that this these those which who there their his her they he she we i you has have had do does did over about around approximately roughly nearly almost some than then so such also both called known named through during between within per via upon towards toward while when where although though because if after before until since however including like most other many several various',
    'der die das den dem des ein eine einen einem einer eines und oder von vom zu zum zur mit bei beim fur auf aus an im ist sind wurde wurden als auch',
    'le la les l un une des du de d et ou au aux par pour avec dans sur est sont',
    'el los las una unos unas del al y o en por para con se es son fue que',
    'il lo gli i della dello dei degli delle nel nella e ed per che di da',
    'os um uma do dos das em na ao aos pelo pela com foi',
    'het een van te met voor op bij',
    'och av pa det som ett',
    'i w z na do od po ze jest oraz',
    'и в во на с со к по из от за о об у для при как был была было были это',
    'ο η το οι τα του τησ των τον την και σε με για απο στο στη στην στον',
    've ile bir bu da de icin olarak',
    'va la cua cac nhung mot trong cho voi',
    'si cu din pe lui ale ai o un',
    'هذا هذه ذلك تلك كما قد لقد او ثم بعد قبل خلال حيث اي كل بعض بين حتي عند لدي منذ حول ما كانت يكون تكون اذا الا هم لها له لهم بها به فيها فيه منها منه عليها عليه انها انه الذين',
    'و في من على الى عن مع هو هي كان كانت ان التي الذي',
    'ที่ ของ และ ใน เป็น ได้ มี การ ความ จะ ว่า ให้ กับ จาก โดย นี้ นั้น ซึ่ง แต่ หรือ เมื่อ เพื่อ ถูก คือ อยู่ ไป มา แล้ว ก็ ยัง ต่อ ตาม ทำ เขา ทั้ง อีก',
    'का की के को में से पर और है हैं था थी थे ने एक',
    '的 了 在 是 和 与 于 为 之 被 把 由 对 也 位 年份',
    'の は が を に へ と で も や から まで です である だ た 年代',
  ].flatMap((words) => words.split(' ')),
);

export const isFiller = (word: string): boolean => fillers.has(word);

/** What `tokensOf` leaves out, as SQuAD does. */
export const isArticle = (word: string): boolean => /^(?:a|an|the)$/u.test(word);
