import { execa } from 'execa';
import { join } from 'node:path';
import { layoutOf, repoRoot, venvOf } from '../stack/index.js';
import type { Bench, BenchContext } from './bench.js';
import { measuredSchema, benchResult, type Bars } from './bars.js';

export interface PythonBench {
  /** of `python -m selkie_runner.bench NAME` */
  name: string;
  summary: string;
  bars: Bars;
}

/** A bench that the Python package measures by itself; here its result is checked, judged and shown. */
export const pythonBench = ({ name, summary, bars }: PythonBench): Bench => ({
  summary,
  run: async (context) => {
    const printed = await measure(name, context);
    const asksForHelp = context.args.some((argument) => ['--help', '-h'].includes(argument));
    return asksForHelp
      ? { json: { help: printed }, text: printed, passed: true }
      : benchResult(measuredSchema.parse(JSON.parse(printed)), bars);
  },
});

/** Runs the bench as a child process, which ends with this one, and returns what it printed. */
async function measure(name: string, { onProgress, args }: BenchContext): Promise<string> {
  const child = execa(
    join(venvOf(), 'bin', 'python'),
    ['-m', 'selkie_runner.bench', name, '--json', '--cache', layoutOf().models, ...args],
    {
      cwd: repoRoot,
      env: { PYTHONPATH: join(repoRoot, 'gpu-runner'), PYTHONUNBUFFERED: '1' },
      stdin: 'ignore',
    },
  );
  // its failure is met below; here it would only cut the progress short
  for await (const line of child.iterable({ from: 'stderr', reject: false } as const)) onProgress(line);
  const { stdout } = await child;
  return stdout;
}
