import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { infoQueueOf, taskQueues } from '../../src/contract/index.js';
import { repoRoot } from '../../src/stack/index.js';

// Programs that cannot import the contract, and name a task queue.
it.each([
  ['docker/worker-health.mjs', /const taskQueue = '(.*)'/, taskQueues.workflow],
  ['gpu-runner/selkie_runner/service/options.py', /task_queue: str = field\(\s*default="(.*?)"/, taskQueues.gpu],
  ['gpu-runner/selkie_runner/service/temporal/worker.py', /return f"\{task_queue\}(.*)"/, infoQueueOf('')],
])('%s names the queue of the contract', (file, pattern, name) => {
  expect(pattern.exec(readFileSync(join(repoRoot, file), 'utf8'))?.[1]).toBe(name);
});
