import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { execa } from 'execa';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const runnerDir = join(root, 'gpu-runner');
const python = join(resolve(root, process.env['SELKIE_VENV'] ?? '.venv'), 'bin', 'python');
const env = { PYTHONPATH: [runnerDir, join(runnerDir, 'tests')].join(':'), OMP_NUM_THREADS: '1' };

export interface TestRunner {
  /** where its OpenAI paths begin */
  baseUrl: string;
  digest: string;
  stop(): Promise<void>;
}

/** The gpu-runner over HTTP alone, with the tiny random model `tiny` in float32. `folder` holds its registry and work. */
export async function startRunner(folder: string, store: string): Promise<TestRunner> {
  await mkdir(folder, { recursive: true });
  const models = join(folder, 'models.json');
  const tiny = { source: 'random:llama-tiny', chat: true, dtype: 'float32', maxLength: 512 };
  await writeFile(models, JSON.stringify({ models: { tiny } }));
  const runner = execa(
    python,
    [
      ...['-m', 'selkie_runner', 'serve', '--no-temporal', '--threads', '1', '--log-level', 'warning'],
      ...['--http-port', '0', '--models', models, '--model', 'tiny', '--store', store, '--work', join(folder, 'work')],
    ],
    { env, cancelSignal: AbortSignal.timeout(240_000), reject: false },
  );
  const { http, digest } = await ready(runner.stdout, runner);
  return {
    baseUrl: `${http}/v1`,
    digest,
    stop: async () => {
      runner.kill('SIGTERM');
      await runner;
    },
  };
}

/** The runner's line that says where it answers; iterating over its output would wait for its end. */
function ready(stdout: Readable, ended: Promise<{ stderr: string }>): Promise<{ http: string; digest: string }> {
  return new Promise((resolve, reject) => {
    createInterface(stdout).on('line', (line) => {
      if (line.startsWith('{"event": "ready"')) resolve(JSON.parse(line) as { http: string; digest: string });
    });
    void ended.then(({ stderr }) => reject(new Error(`the gpu-runner did not start:\n${stderr}`)));
  });
}

export interface TinyAdapter {
  folder: string;
  seed: number;
  /** how large its weights are; with 0 it changes nothing */
  size: number;
}

/** Writes random PEFT adapters for the tiny model. */
export async function writeTinyAdapters(adapters: TinyAdapter[]): Promise<void> {
  const code = `
import json, sys
from pathlib import Path
from support.service import tiny_model, write_random_adapter
model = tiny_model()
for adapter in json.loads(sys.argv[1]):
    write_random_adapter(Path(adapter["folder"]), model, adapter["seed"], size=adapter["size"])`;
  await execa(python, ['-c', code, JSON.stringify(adapters)], { env });
}
