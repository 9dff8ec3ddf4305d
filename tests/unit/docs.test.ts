import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { program } from '../../src/cli/main.js';
import { pythonBars as barsOf } from '../../src/bench/python-benches.js';
import { repoRoot } from '../../src/stack/layout.js';

// What the pages name must exist (links, paths, commands, tests), and a figure in two places must agree. Pages and
// comments are in plain English.

const files = [
  ...readdirSync(repoRoot),
  ...readdirSync(join(repoRoot, 'docs'), { recursive: true, encoding: 'utf8' }).map((name) => `docs/${name}`),
];
const pages = files.filter((file) => file.endsWith('.md'));
const textOf = (page: string): string => readFileSync(join(repoRoot, page), 'utf8');
const found = (page: string, pattern: RegExp): string[] => [
  ...new Set(Array.from(textOf(page).matchAll(pattern), ([, part]) => part ?? '')),
];

/** Anchors as GitHub derives them from headings. */
const anchorsOf = (page: string): string[] =>
  found(page, /^#+ (.*)$/gm).map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} -]/gu, '')
      .replaceAll(' ', '-'),
  );

const { scripts } = z
  .object({ scripts: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync(join(repoRoot, 'package.json'), 'utf8')));

/** Environment variables that something reads; the runner also reads one for each of its options. */
function variables(): Set<string> {
  const sources = ['src', 'scripts', 'docker'].flatMap((folder) =>
    readdirSync(join(repoRoot, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  );
  const read = sources.flatMap((file) => readFileSync(file, 'utf8').match(/\bSELKIE_[A-Z_]+\b/g) ?? []);
  return new Set([...read, ...runnerOptions().map((name) => `SELKIE_${name.toUpperCase().replaceAll('-', '_')}`)]);
}

/** Options of the runner with one value: fields that have an `Option`, by its name or else the field's own. */
function runnerOptions(): string[] {
  const fields = readFileSync(join(repoRoot, 'gpu-runner/selkie_runner/service/options.py'), 'utf8')
    .split(/^ {4}(?=[a-z_]+: )/m)
    .filter((field) => field.includes('_set_by(') && !field.includes('action='));
  return fields.flatMap(
    (field) => /name="([a-z-]+)"/.exec(field)?.[1] ?? /^[a-z_]+(?=: .*= field\()/.exec(field) ?? [],
  );
}

interface Described {
  name(): string;
  commands: readonly Described[];
  options: readonly { long?: string | undefined }[];
}

/** The leaf command that the words begin with, or undefined. */
function commandOf(words: string[], command: Described = program()): Described | undefined {
  if (command.commands.length === 0) return command;
  const child = command.commands.find((one) => one.name() === words[0]);
  return child && commandOf(words.slice(1), child);
}

/** What a page tells people to type: commands of `selkie`, in its own name or npm's, up to a comment or a closing backtick. */
const typed = (page: string): string[] => [
  ...found(page, /npx selkie ([a-z][^\n`#]*)/g),
  ...found(page, /npm run ((?:demo|up|down|bench)\b[^\n`#]*)/g).map((line) => line.replace(/ -- /, ' ')),
];

/** The cells of every table row on the page. */
const rowsOf = (page: string): string[][] =>
  textOf(page)
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) =>
      line
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    );

/** German idiom in English words, and words that hide the subject: name who does what. */
const banned = /\b(so many|so much|of its own|of their own|anew|shall|nobody|whoever|in hand|beside|goes on)\b/gi;

describe.each(pages)('%s', (page) => {
  it('links to what is there', () => {
    const broken = found(page, /\]\((?!https?:)([^)\s]+)\)/g).filter((link) => {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? page : join(dirname(page), path);
      if (!existsSync(join(repoRoot, target))) return true;
      return anchor !== undefined && !anchorsOf(target).includes(anchor);
    });
    expect(broken).toEqual([]);
  });

  it('names paths that are there', () => {
    const paths = found(page, /(?<![\w./])((?:src|gpu-runner|docs|tests|corpus|docker|examples|scripts)\/[\w./-]*)/g);
    expect(
      paths.map((path) => path.replace(/[./]+$/, '')).filter((path) => !existsSync(resolve(repoRoot, path))),
    ).toEqual([]);
  });

  it('names variables that something reads', () => {
    const read = variables();
    expect(found(page, /\b(SELKIE_[A-Z_]+)\b/g).filter((name) => !read.has(name))).toEqual([]);
  });

  it('names commands and options that are there', () => {
    const wrong = typed(page).flatMap((line) => {
      const command = commandOf(line.trim().split(/\s+/));
      if (command === undefined) return [line];
      // passes unknown options on to the bench
      if (command.name() === 'bench') return [];
      const options = line.replace(/(["']).*?\1/g, '').match(/--[a-z][\w-]*/g) ?? [];
      const known = command.options.map(({ long }) => long).concat('--help', '--version');
      return options.filter((option) => !known.includes(option)).map((option) => `${line}: ${option}`);
    });
    const scriptsMissing = found(page, /npm run ([a-z:]+)/g).filter((script) => !(script in scripts));
    expect([...wrong, ...scriptsMissing]).toEqual([]);
  });

  it('is in plain English', () => {
    // bad examples are in backticks
    const prose = textOf(page)
      .replace(/```[^]*?```/g, '')
      .replace(/`[^`\n]*`/g, '')
      .replace(/\]\([^)]*\)/g, ']');
    expect(prose.match(banned) ?? []).toEqual([]);
  });
});

const scriptComment = /(\/\*[^]*?\*\/|(?<=^|\s)\/\/.*)/gm;
const pythonComment = /("""[^]*?"""|#.*)/g;

describe('comments are in plain English', () => {
  it.each([
    ['src', 'ts'],
    ['tests', 'ts'],
    ['scripts', 'mjs'],
    ['gpu-runner/selkie_runner', 'py'],
    ['gpu-runner/tests', 'py'],
  ] as const)('in %s', (folder, extension) => {
    const sources = readdirSync(join(repoRoot, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith(`.${extension}`))
      .map((name) => join(folder, name));
    const words = sources.flatMap((source) =>
      found(source, extension === 'py' ? pythonComment : scriptComment).flatMap((text) =>
        (text.match(banned) ?? []).map((word) => `${source}: ${word}`),
      ),
    );
    expect(sources).not.toEqual([]);
    expect(words).toEqual([]);
  });
});

describe('the invariants of ARCHITECTURE.md', () => {
  const [, section = ''] = textOf('ARCHITECTURE.md').split('## Invariants');
  const rows = Array.from(section.matchAll(/^\|.*\| \[([^\]]+)\]\([^)]+\)\s*\|\s*(.*?)\s*\|$/gm), ([, file, test]) => [
    file ?? '',
    test ?? '',
  ]);

  it('are there', () => {
    expect(rows.length).toBeGreaterThan(15);
  });

  it.each(rows)('%s: %s', (file, test) => {
    expect(textOf(file)).toContain(test);
  });
});

describe('a figure in two places agrees', () => {
  const measured = new Map<string, { bar: string; value: string }>();
  let bench = '';
  for (const [first = '', ratio = '', , bar = '', value = ''] of rowsOf('docs/performance.md')) {
    bench = /`(.*)`/.exec(first)?.[1] ?? bench;
    const name = /^`(.*)`$/.exec(ratio)?.[1];
    if (name !== undefined) measured.set(`${bench} ${name}`, { bar, value });
  }

  it('the README has the numbers of docs/performance.md', () => {
    const rows = rowsOf('README.md').flatMap(([, name = '', ratio = '', value = '']) => {
      const key = `${name} ${ratio}`.replaceAll('`', '');
      return measured.has(key) ? [[key, value]] : [];
    });
    expect(rows).toHaveLength(3);
    for (const [key = '', value] of rows) expect(measured.get(key)?.value, key).toBe(value);
  });

  it.each(['engine', 'decode', 'score'])('docs/performance.md has the bars of the bench %s', (name) => {
    const written = [...measured].flatMap(([key, { bar }]) =>
      key.startsWith(`${name} `) ? [[key.slice(name.length + 1), Number(bar)]] : [],
    );
    expect(Object.fromEntries(written)).toEqual(barsOf[name]?.ratios);
  });

  it('docs/performance.md has the ratios of what docs/benchmarks measured', () => {
    const sides = new Map(
      rowsOf('docs/benchmarks/epyc-2c_2026-11.md').map(([side = '', ms]) => [side.replaceAll('`', ''), Number(ms)]),
    );
    const ratioOf = (slow: string, fast: string): number => (sides.get(slow) ?? NaN) / (sides.get(fast) ?? NaN);
    const valueOf = (name: string): number => Number(measured.get(`engine ${name}`)?.value);
    // both sides are rounded to three digits
    const rounding = 0.01;
    for (const [name, slow, fast] of [
      ['fp32.qv.vs_solo', 'solo, q and v, fp32', 'batched, q and v, fp32'],
      ['bf16.qv.vs_solo_fp32', 'solo, q and v, fp32', 'batched, q and v, bf16'],
      ['fp32.all.vs_solo', 'solo, all linear layers, fp32', 'batched, all linear layers, fp32'],
      ['bf16.all.vs_solo_fp32', 'solo, all linear layers, fp32', 'batched, all linear layers, bf16'],
      ['fp32.qv.vs_reference', 'as SEAL trains (padded), q and v', 'batched, q and v, fp32'],
    ] as const) {
      expect(Math.abs(ratioOf(slow, fast) / valueOf(name) - 1), name).toBeLessThan(rounding);
    }
  });

  it('the README has the gain of docs/benchmarks', () => {
    const [gain, inContext] = [/\[([\d.]+) points/, /reaches ([\d.]+) %/].map(
      (pattern) => pattern.exec(textOf('README.md'))?.[1],
    );
    const latest = rowsOf('docs/benchmarks/epyc-2c_2026-11.md');
    const last = (label: string): string => latest.findLast(([first]) => first === label)?.at(-1) ?? '';
    expect(last('gain of the chosen edit over the base')).toMatch(new RegExp(`^${gain} `));
    expect(last('the document in the prompt')).toBe(`${inContext} %`);
  });
});
