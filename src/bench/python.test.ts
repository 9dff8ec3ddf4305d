import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { pythonBench } from './python.js';

const bench = pythonBench({ name: 'made-up', summary: '', bars: { ratios: { gain: 2 } } });
let folder: string;

/** A Python environment whose interpreter is a shell script. */
function interpreter(script: string): void {
  mkdirSync(join(folder, 'bin'));
  const file = join(folder, 'bin', 'python');
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selkie-bench-'));
  vi.stubEnv('SELKIE_VENV', folder);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

describe('pythonBench', () => {
  it('tells the progress, hands on the arguments and judges the result', async () => {
    interpreter(`echo "$@" >&2
      echo '{"bench":"made-up","device":{},"sides":{},"ratios":{"gain":2.5},"runs":[],"curve":[1]}'`);
    const lines: string[] = [];
    const result = await bench.run({ onProgress: (line) => lines.push(line), args: ['--curve'] });
    expect(result.passed).toBe(true);
    expect(result.json).toMatchObject({ ratios: { gain: 2.5 }, curve: [1] });
    expect(lines.join('\n')).toMatch(/^-m selkie_runner\.bench made-up --json --cache .* --curve$/);
  });

  it('shows the options where they are asked for', async () => {
    interpreter('echo "usage: made-up [--curve]"');
    const result = await bench.run({ onProgress: () => undefined, args: ['--help'] });
    expect(result).toMatchObject({ text: 'usage: made-up [--curve]', passed: true });
  });

  it('fails with what the process said', async () => {
    interpreter('echo "no jobs to measure with" >&2; exit 3');
    await expect(bench.run({ onProgress: () => undefined, args: [] })).rejects.toThrow('no jobs to measure with');
  });

  it('takes no result of another form', async () => {
    interpreter(`echo '{"bench":"made-up"}'`);
    await expect(bench.run({ onProgress: () => undefined, args: [] })).rejects.toThrow('ratios');
  });
});
