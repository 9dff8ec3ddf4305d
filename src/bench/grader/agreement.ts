import { groupBy } from '../../lib/group-by.js';
import { meanInterval, type Interval } from '../../seal/statistics.js';

/** One answer judged twice. */
export interface Judged {
  article: string;
  grader: boolean;
  judge: boolean;
  weight: number;
}

export interface Confusion {
  both: number;
  onlyGrader: number;
  onlyJudge: number;
  neither: number;
}

export interface Agreement {
  articles: number;
  answers: number;
  accuracy: Interval;
  /** Cohen's κ: agreement beyond what the two shares of "correct" give by chance */
  kappa: Interval;
  confusion: Confusion;
}

/** How far grader and judge agree, with 95 % intervals over articles: the answers of one article are alike. */
export function agreementOf(judged: Judged[]): Agreement {
  const articles = [...groupBy(judged, ({ article }) => article).values()].map(confusionOf);
  const confusion = confusionOf(judged);
  return {
    articles: articles.length,
    answers: totalOf(confusion),
    accuracy: jackknife(articles, accuracyOf),
    kappa: jackknife(articles, kappaOf),
    confusion,
  };
}

export function confusionOf(judged: Judged[]): Confusion {
  const count = (grader: boolean, judge: boolean): number =>
    judged.filter((one) => one.grader === grader && one.judge === judge).reduce((sum, { weight }) => sum + weight, 0);
  return {
    both: count(true, true),
    onlyGrader: count(true, false),
    onlyJudge: count(false, true),
    neither: count(false, false),
  };
}

const totalOf = ({ both, onlyGrader, onlyJudge, neither }: Confusion): number =>
  both + onlyGrader + onlyJudge + neither;

export const accuracyOf = (confusion: Confusion): number => (confusion.both + confusion.neither) / totalOf(confusion);

/** NaN where each of the two gives every answer the same verdict. */
export function kappaOf(confusion: Confusion): number {
  const { both, onlyGrader, onlyJudge, neither } = confusion;
  const byChance =
    ((both + onlyGrader) * (both + onlyJudge) + (neither + onlyGrader) * (neither + onlyJudge)) /
    totalOf(confusion) ** 2;
  return (accuracyOf(confusion) - byChance) / (1 - byChance);
}

const sumOf = (confusions: Confusion[]): Confusion =>
  confusions.reduce(
    (sum, { both, onlyGrader, onlyJudge, neither }) => ({
      both: sum.both + both,
      onlyGrader: sum.onlyGrader + onlyGrader,
      onlyJudge: sum.onlyJudge + onlyJudge,
      neither: sum.neither + neither,
    }),
    { both: 0, onlyGrader: 0, onlyJudge: 0, neither: 0 },
  );

/** The value over all articles, with the interval of the mean of the jackknife's pseudo-values, one an article. */
function jackknife(articles: Confusion[], statistic: (confusion: Confusion) => number): Interval {
  const n = articles.length;
  const estimate = statistic(sumOf(articles));
  const pseudo = articles.map((_, i) => n * estimate - (n - 1) * statistic(sumOf(articles.toSpliced(i, 1))));
  return { ...meanInterval(pseudo, { within: [-1, 1] }), estimate };
}
