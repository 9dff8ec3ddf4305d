import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Command } from '@commander-js/extra-typings';
import { z } from 'zod';
import { program } from '../../src/cli/main.js';
import { repoRoot } from '../../src/stack/layout.js';

// What the pages for people name must exist: links, paths of the tree, commands.

const files = [
  ...readdirSync(repoRoot),
  ...readdirSync(join(repoRoot, 'docs'), { recursive: true, encoding: 'utf8' }).map((name) => `docs/${name}`),
];
const pages = files.filter((file) => file.endsWith('.md'));
const textOf = (page: string): string => readFileSync(join(repoRoot, page), 'utf8');
const found = (page: string, pattern: RegExp): string[] => [
  ...new Set(Array.from(textOf(page).matchAll(pattern), ([, part]) => part ?? '')),
];

/** As GitHub makes them of headings. */
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

/** Environment variables that something reads; the runner takes any option of its own from one as well. */
function variables(): Set<string> {
  const sources = ['src', 'scripts', 'docker'].flatMap((folder) =>
    readdirSync(join(repoRoot, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  );
  const read = sources.flatMap((file) => readFileSync(file, 'utf8').match(/\bSELKIE_[A-Z_]+\b/g) ?? []);
  const options = found('gpu-runner/selkie_runner/main.py', /option\(\s*"([a-z-]+)"/g);
  return new Set([...read, ...options.map((name) => `SELKIE_${name.toUpperCase().replaceAll('-', '_')}`)]);
}

/** Whether the words begin with a whole command of ours: one that has no others under it. */
function isCommand(words: string[], command: Pick<Command, 'commands'> = program()): boolean {
  const [word] = words;
  if (command.commands.length === 0) return true;
  const child = command.commands.find((one) => one.name() === word);
  return child !== undefined && isCommand(words.slice(1), child);
}

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

  it('names commands that are there', () => {
    const ours = found(page, /npx selkie ((?:[a-z]+ ?)+)/g).filter((line) => !isCommand(line.trim().split(' ')));
    const npm = found(page, /npm run ([a-z:]+)/g).filter((script) => !(script in scripts));
    expect([...ours, ...npm]).toEqual([]);
  });
});
