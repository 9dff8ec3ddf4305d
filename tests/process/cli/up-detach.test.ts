import { execa } from 'execa';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { z } from 'zod';
import { layoutOf, repoRoot, startStack, stopStack } from '../../../src/stack/index.js';
import { makeStackHome, removeStackHome } from '../../support/stack-home.js';

let home: string;
beforeEach(async () => {
  home = await makeStackHome();
});
afterEach(async () => {
  await stopStack(layoutOf(home));
  removeStackHome(home);
});

const selkie = (args: string[], env: Record<string, string> = {}) =>
  execa(process.execPath, [join(repoRoot, 'dist', 'cli', 'main.js'), ...args], {
    env: { SELKIE_HOME: home, ...env },
    reject: false,
  });

it('ends with the reason and the exit code of what it started', async () => {
  const { exitCode, stderr } = await selkie(['up', '--detach'], { TEMPORAL_ADDRESS: '127.0.0.1:1' });
  expect(stderr).toContain('Temporal at 127.0.0.1:1 does not answer');
  expect(stderr).toContain('up.log');
  expect(exitCode).toBe(3);
});

it('ends when what it started is killed', async () => {
  const waiting = selkie(['up', '--detach']);
  const record = join(layoutOf(home).pids, 'supervisor.json');
  while (!existsSync(record)) await sleep(20);
  process.kill(z.object({ pid: z.int() }).parse(JSON.parse(readFileSync(record, 'utf8'))).pid, 'SIGKILL');
  const { exitCode, stderr } = await waiting;
  expect(stderr).toContain('it was ended by SIGKILL');
  expect(exitCode).toBe(1);
});

it('refuses options for a runner that runs already, a registry that is none, and a state that is broken', async () => {
  const models = join(home, 'models.json');
  const tell = () => selkie(['up', '--models', models, '--detach']);
  expect(await tell()).toMatchObject({
    exitCode: 4,
    stderr: expect.stringContaining(`there is no ${models}`) as string,
  });
  writeFileSync(models, '{');
  expect(await tell()).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('is not JSON') as string });

  writeFileSync(models, '{}');
  const stack = await startStack({ home, parts: ['postgres'] });
  try {
    expect(await tell()).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('its runner keeps its options: leave out --models') as string,
    });
    writeFileSync(layoutOf(home).state, '{"temporalAddress":');
    for (const line of ['up --detach', 'round list', 'release list']) {
      expect(await selkie(line.split(' '))).toMatchObject({
        exitCode: 1,
        stderr: expect.stringContaining('stack.json is broken, or of another version') as string,
      });
    }
  } finally {
    await stack.stop();
  }
});
