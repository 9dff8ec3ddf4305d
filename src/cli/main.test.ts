import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { program, run } from './main.js';

let folder: string;
let out: string;
let err: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selkie-cli-'));
  out = '';
  err = '';
  vi.stubEnv('SELKIE_HOME', join(folder, 'home'));
  for (const name of ['TEMPORAL_ADDRESS', 'TEMPORAL_PROFILE', 'DATABASE_URL']) vi.stubEnv(name, undefined);
  // no profile of the user who runs the tests
  vi.stubEnv('TEMPORAL_CONFIG_FILE', join(folder, 'none.toml'));
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += text.toString()), true));
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((err += text.toString()), true));
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  process.exitCode = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const selkie = (line: string, ...more: string[]): Promise<number> =>
  run([...line.split(' ').filter((word) => word !== ''), ...more]);

describe('every command', () => {
  const commands = program().commands.flatMap((command) =>
    command.commands.length > 0 ? command.commands.map((child) => [command.name(), child.name()]) : [[command.name()]],
  );

  it.each(commands)('%s %s has help with an example, and JSON', async (...names) => {
    expect(await run([...names.filter((name) => (name as string | undefined) !== undefined), '--help'])).toBe(0);
    expect(out).toMatch(/Examples?:\n {2}\$ /);
    expect(out).toContain('--json');
  });

  it.each([
    ['nonsense', "unknown command 'nonsense'"],
    ['up --slots none', "'--slots <n>' argument 'none' is invalid"],
    ['demo --rounds 0', 'a whole number above 0'],
    ['round status', "missing required argument 'id'"],
    ['gate approve demo.x', "required option '--as <name>' not specified"],
    ['select --rule best --from a --out b', 'Allowed choices are gain, reference'],
    ['doctor --fast', "unknown option '--fast'"],
    ['round list --limit 0', 'a whole number above 0'],
    ['round start --from best', 'Allowed choices are base, released'],
    ['round delete x', "unknown command 'delete'"],
    [
      'bench nothing',
      'there is no bench "nothing"; there is: decode, engine, gpu, grader, learning, profile, score, trial',
    ],
  ])('%s: wrong usage, exit code 2', async (line, message) => {
    expect(await selkie(line)).toBe(2);
    expect(err).toContain(message);
  });
});

describe('an empty word', () => {
  it.each([
    ['round', 'status', ''],
    ['round', 'watch', ' '],
    ['round', 'cancel', ''],
    ['round', 'start', '--id', ''],
    ['round', 'start', '--config', ''],
    ['round', 'start', '--as', ' '],
    ['gate', 'show', ''],
    ['gate', 'approve', 'demo.x', '--as', ''],
    ['gate', 'approve', '', '--as', 'ann'],
    ['up', '--model', ''],
    ['select', '--from', '', '--rule', 'gain', '--out', 'x'],
    ['release', 'list', '--alias', ''],
  ])('%s %s: wrong usage, exit code 2', async (...argv) => {
    expect(await run(argv)).toBe(2);
    expect(err).toContain('is empty');
  });
});

describe('whatever is wrong', () => {
  const wrong: [string, string[], number, string][] = [
    ['a folder for a config', ['round', 'start', '--config', tmpdir()], 2, 'is a folder'],
    ['a folder for a rank file', ['select', '--from', tmpdir(), '--rule', 'gain', '--out', 'x'], 4, 'cannot read'],
    ['no ledger', ['release', 'list'], 3, 'no ledger is known here'],
    ['no stack', ['round', 'list'], 3, 'no stack runs here'],
    ['a folder for a table', ['demo', '--json', tmpdir()], 2, 'is a folder'],
    ['no folder for a table', ['demo', '--json', '/none/such/demo.json'], 4, 'there is no /none/such'],
    ['nothing to cancel', ['round', 'cancel', 'demo.x'], 3, 'no stack runs here'],
  ];
  it.each(wrong)('%s is told in a sentence', async (_what, argv, exitCode, message) => {
    expect(await run(argv)).toBe(exitCode);
    expect(err).toContain(message);
    expect(err).not.toMatch(/\n\s+at /);
  });

  it('has no escape sequence of others in it', async () => {
    expect(await run(['round', 'start', '--config', '\u001b[31m{'])).toBe(2);
    expect(err).not.toContain('\u001b');
  });

  it('is told of a profile that is not there, and of a file that cannot be read', async () => {
    vi.stubEnv('TEMPORAL_PROFILE', 'none-such');
    expect(await selkie('gate list')).toBe(1);
    expect(err).toContain("the settings for Temporal cannot be used: Profile 'none-such' not found");
    vi.stubEnv('TEMPORAL_PROFILE', undefined);
    vi.stubEnv('TEMPORAL_CONFIG_FILE', folder);
    expect(await selkie('gate list')).toBe(1);
    expect(err).toContain('EISDIR');
  });

  it.each([
    ['nowhere', 'no address of a Postgres'],
    ['postgres://x@127.0.0.1:1/x', 'nothing listens there'],
  ])('is told of the ledger %s', async (url, message) => {
    vi.stubEnv('DATABASE_URL', url);
    expect(await selkie('release list')).toBe(3);
    expect(err).toContain(message);
  });
});

it('shows what a bench takes', async () => {
  expect(await selkie('bench learning --help')).toBe(0);
  expect(out).toContain('[--corpus FILE OR FOLDER]');
  expect(await selkie('bench')).toBe(2);
});

it('has a version', async () => {
  expect(await selkie('--version')).toBe(0);
  expect(out).toMatch(/^\d+\.\d+\.\d+\n$/);
});

describe('round start', () => {
  it('lists every problem of the config and the valid keys before it asks a server', async () => {
    const config = JSON.stringify({ editsPerSurce: 3, seed: -1, gate: { needed: 0 } });
    expect(await selkie('round start --config', config)).toBe(2);
    expect(err).toContain('unknown key "editsPerSurce" (did you mean "editsPerSource"?); valid keys: tenant, model,');
    expect(err).toContain('seed: ');
    expect(err).toContain('gate.needed: ');
  });

  it('reads a config from a file, and says what is wrong with one that is no JSON', async () => {
    const file = join(folder, 'round.json');
    writeFileSync(file, '{"gate": {"needed": 2, "approvers": ["ann"]}}');
    expect(await selkie('round start --config', file)).toBe(2);
    expect(err).toContain('gate.approvers: 2 approvals are needed');
    expect(await selkie('round start --config {broken')).toBe(2);
    expect(err).toContain('neither a file nor JSON');
  });
});

describe('without a stack', () => {
  it.each(['round start', 'round status demo.x', 'gate list', 'gate show demo.x'])('%s: exit code 3', async (line) => {
    expect(await selkie(line)).toBe(3);
    expect(err).toContain('start it with `npm run up`');
  });

  it('says so in JSON too', async () => {
    expect(await selkie('gate list --json')).toBe(3);
    expect(JSON.parse(err)).toEqual({ error: expect.stringContaining('no stack runs here') as unknown });
  });

  it('names a server that does not answer', async () => {
    vi.stubEnv('TEMPORAL_ADDRESS', '127.0.0.1:1');
    expect(await selkie('round status demo.x')).toBe(3);
    expect(err).toContain('Temporal at 127.0.0.1:1 does not answer');
  }, 15_000);

  it('has nothing to stop', async () => {
    expect(await selkie('down --json')).toBe(0);
    expect(JSON.parse(out)).toEqual({ stopped: [] });
  });
});

describe('select', () => {
  const edit = (text: string, after: number, gain: number) => ({
    text,
    stats: { adapter_mean: after, gain_mean: gain },
  });
  const rank = {
    articles: [
      { title: 'a', prompt: 'p1', completions: [edit('one', 0.2, 0.1), edit('two', 0.4, 0.3)] },
      { title: 'b', prompt: 'p2', completions: [edit('three', 0.1, -0.1)] },
    ],
  };

  it('writes the rows that a rule chooses', async () => {
    const from = join(folder, 'rank.json');
    const to = join(folder, 'sft.jsonl');
    writeFileSync(from, JSON.stringify(rank));
    expect(await selkie(`select --from ${from} --rule reference --out ${to}`)).toBe(0);
    expect(readFileSync(to, 'utf8')).toBe(
      '{"prompt": "p1", "completion": "two"}\n{"prompt": "p2", "completion": "three"}\n',
    );
    out = '';
    expect(await selkie(`select --from ${from} --rule gain --out ${to} --json`)).toBe(0);
    expect(readFileSync(to, 'utf8')).toBe('{"prompt": "p1", "completion": "two"}\n');
    expect(JSON.parse(out)).toMatchObject({
      chosen: 1,
      without: [{ reason: expect.stringContaining('not above 0') as unknown }],
    });
  });

  it('says which file is missing, and what is wrong with one', async () => {
    expect(await selkie(`select --from ${join(folder, 'none')} --rule gain --out x`)).toBe(4);
    const from = join(folder, 'rank.json');
    writeFileSync(from, '{"articles": [{"title": "a"}]}');
    expect(await selkie(`select --from ${from} --rule gain --out x`)).toBe(2);
    expect(err).toContain('articles.0.prompt');
  });
});
