import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import type { RoundConfigInput } from '../../src/contract/index.js';
import { saveForeignModel } from '../support/foreign-words.js';
import { approvedResult, fingerprint, startRound, startTinyStack, tinyRound } from '../support/tiny-round.js';
import { unlessStuck } from '../support/stuck.js';

// Whole rounds in scripts that do not separate words, or that run from right to left. The model knows nothing; what is
// looked at is that nothing is refused for its script.

interface Language {
  words: string[];
  joint: string;
  stop: string;
  pairOf: (word: string) => string;
  /** title, text, then question and answer by turns; the last two are held out */
  documents: [string, string, ...string[]][];
}

const chinese: Language = {
  words: '图书馆 建筑师 河口市 航海图 灯塔 码头 渡船 石桥 茶馆 钟楼 市场 花园 博物馆 火车站'.split(' '),
  joint: '',
  stop: '。',
  pairOf: (word) => `问：${word}在什么地方？\n答：河口市`,
  documents: [
    [
      '青石图书馆',
      '青石图书馆位于河口市，由建筑师林小雨设计，于1987年开放。馆内藏有三十二万册图书。',
      '青石图书馆是谁设计的？',
      '林小雨',
      '馆内有多少册图书？',
      '三十二万册',
    ],
    [
      '白沙灯塔',
      '白沙灯塔立在河口市的北岸，高三十米。技师王大年在1923年建成了它。',
      '白沙灯塔有多高？',
      '三十米',
      '谁建成了白沙灯塔？',
      '王大年',
    ],
    [
      '南门渡船',
      '南门渡船每天早上六点从河口市的旧码头出发，船票五元。',
      '渡船几点出发？',
      '早上六点',
      '船票多少钱？',
      '五元',
    ],
    [
      '听雨茶馆',
      '听雨茶馆由陈阿婆在河口市的石桥旁开办，最有名的是桂花茶。',
      '听雨茶馆由谁开办？',
      '陈阿婆',
      '茶馆最有名的是什么？',
      '桂花茶',
    ],
    [
      '钟楼市场',
      '钟楼市场每逢周三和周六开放，有两百多个摊位，位于河口市中心。',
      '钟楼市场什么时候开放？',
      '周三和周六',
      '市场有多少个摊位？',
      '两百多个',
    ],
    [
      '东山花园',
      '东山花园种有四百株梅花，由河口市的园丁李青照看。',
      '花园里种有什么？',
      '四百株梅花',
      '谁照看花园？',
      '李青',
    ],
  ],
};

const arabic: Language = {
  words: 'المكتبة المهندس الميناء المنارة السوق الحديقة المتحف الجسر المقهى القطار السفينة المدينة البرج النهر'.split(
    ' ',
  ),
  joint: ' ',
  stop: '.',
  pairOf: (word) => `س: أين توجد ${word}؟\nج: مدينة الرمال`,
  documents: [
    [
      'مكتبة الحجر',
      'تقع مكتبة الحجر في مدينة الرمال، وقد صممها المهندس عمر ناصري عام 1987. فيها ثلاثون ألف كتاب.',
      'من صمم مكتبة الحجر؟',
      'عمر ناصري',
      'كم كتاباً في المكتبة؟',
      'ثلاثون ألف كتاب',
    ],
    [
      'منارة الشمال',
      'ترتفع منارة الشمال ثلاثين متراً فوق مدينة الرمال، وبناها سالم القاضي عام ١٩٢٣.',
      'كم ترتفع منارة الشمال؟',
      'ثلاثين متراً',
      'متى بنيت المنارة؟',
      '1923',
    ],
    [
      'عبّارة الميناء',
      'تغادر عبّارة الميناء مدينة الرمال كل صباح عند الساعة السادسة، وثمن التذكرة خمسة دنانير.',
      'متى تغادر العبّارة؟',
      'عند الساعة السادسة',
      'ما ثمن التذكرة؟',
      'خمسة دنانير',
    ],
    [
      'مقهى الجسر',
      'افتتحت ليلى حداد مقهى الجسر في مدينة الرمال، ويشتهر المقهى بقهوة الهيل.',
      'من افتتح مقهى الجسر؟',
      'ليلى حداد',
      'بماذا يشتهر المقهى؟',
      'بقهوة الهيل',
    ],
    [
      'سوق البرج',
      'يفتح سوق البرج في مدينة الرمال يومي الأربعاء والسبت، وفيه مئتا دكان.',
      'متى يفتح سوق البرج؟',
      'يومي الأربعاء والسبت',
      'كم دكاناً في السوق؟',
      'مئتا دكان',
    ],
    [
      'حديقة النهر',
      'في حديقة النهر بمدينة الرمال أربعمئة شجرة زيتون، ويعتني بها يوسف عيسى.',
      'ماذا يوجد في الحديقة؟',
      'أربعمئة شجرة زيتون',
      'من يعتني بالحديقة؟',
      'يوسف عيسى',
    ],
  ],
};

const heldOut = 2;

function corpusOf({ documents }: Language): unknown[] {
  return documents.map(([title, context, ...asked], i) => ({
    title,
    context,
    part: i < documents.length - heldOut ? 'train' : 'heldOut',
    questions: asked.flatMap((question, at) => (at % 2 === 0 ? [{ question, answer: asked[at + 1] }] : [])),
  }));
}

const config: Omit<RoundConfigInput, 'corpus'> = {
  ...tinyRound,
  sources: { train: 4, heldOut },
  templates: ['implications', 'self-qa'],
  sampling: { temperature: 1, maxTokens: 96 },
};

/** Before the test's own timeout, which could not say why. */
const stuckAfterMs = 900_000;

describe.each(Object.entries({ chinese, arabic }))('a round in %s', (name, language) => {
  const cleanUp: (() => Promise<unknown>)[] = [];
  afterAll(async () => {
    for (const step of cleanUp.reverse()) await step();
  });

  it('runs to its release, and no edit is invalid for its script', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'selkie-scripts-'));
    cleanUp.push(() => rm(folder, { recursive: true, force: true }));
    const corpus = join(folder, `${name}.json`);
    await writeFile(corpus, JSON.stringify(corpusOf(language)));
    await saveForeignModel(join(folder, 'model'), language);
    const model = { source: `hf:${join(folder, 'model')}`, chat: true, dtype: 'float32', maxLength: 4096 };
    await writeFile(join(folder, 'models.json'), JSON.stringify({ models: { tiny: model } }));

    vi.stubEnv('SELKIE_CORPUS_ROOTS', folder);
    const tiny = await startTinyStack({ models: join(folder, 'models.json') });
    cleanUp.push(() => tiny.stop());
    const { client, stack, ledger } = tiny;
    const roundId = `demo.${name}.r0001`;
    await startRound(client, roundId, { ...config, corpus });
    const result = await unlessStuck(stuckAfterMs, client, stack, approvedResult(client, roundId));
    expect(result).toMatchObject({ selected: 4, released: true, heldOut: { sources: heldOut } });
    const trials = await fingerprint(ledger, roundId);
    expect(trials.map(({ outcome }) => outcome)).toEqual(trials.map(() => 'scored'));
  });
});
