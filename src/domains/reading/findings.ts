import type { LeftOut, Problem } from '../domain.js';

/** Places that are listed one by one for each file and reason. */
const listed = 20;

interface Group {
  file: string;
  why: string;
  places: { where: string; count: number }[];
  /** of the places that are not listed */
  more: number;
}

/** What is found while files are read: what stops a round, and what is left out. */
export class Findings {
  readonly problems: Problem[] = [];
  readonly #groups = new Map<string, Group>();

  problem(where: string, what: string, fix: string): void {
    this.problems.push({ where, what, fix, stops: true });
  }

  /** A finding that does not stop a round, for the person who starts it. */
  note(where: string, what: string, fix: string): void {
    // wherever else it is so, it is said once
    if (this.problems.some((problem) => problem.what === what)) return;
    this.problems.push({ where, what, fix, stops: false });
  }

  /** `where` begins with the file's name, up to the first comma. */
  leave(where: string, why: string, count = 1): void {
    const [file = ''] = where.split(', ');
    const key = `${file}\n${why}`;
    const group = this.#groups.get(key) ?? { file, why, places: [], more: 0 };
    this.#groups.set(key, group);
    const again = group.places.find((place) => place.where === where);
    if (again !== undefined) again.count += count;
    else if (group.places.length < listed) group.places.push({ where, count });
    else group.more += count;
  }

  /** Of a file that holds no document it is said once, unless it is said already why its documents are left out. */
  leaveWhole(file: string, why: string): void {
    const key = `${file}\n${why}`;
    const reasons = [...this.#groups.values()].filter((group) => group.file === file);
    if (reasons.length > 0 && !this.#groups.has(key)) return;
    this.#groups.set(key, { file, why, places: [{ where: file, count: 1 }], more: 0 });
  }

  /** The reasons why something was left out, with their counts: the most frequent first. */
  reasons(): string[] {
    const counts = new Map<string, number>();
    for (const { why, places, more } of this.#groups.values()) {
      counts.set(
        why,
        places.reduce((sum, { count }) => sum + count, (counts.get(why) ?? 0) + more),
      );
    }
    return [...counts].sort(([, one], [, other]) => other - one).map(([why, count]) => `${count} × ${why}`);
  }

  leftOut(): LeftOut[] {
    return [...this.#groups.values()].flatMap(({ file, why, places, more }) => [
      ...places.map(({ where, count }) => ({ where, why, count })),
      ...(more === 0 ? [] : [{ where: `${file}, further on`, why, count: more }]),
    ]);
  }
}
