import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, it } from 'vitest';

const processes = 6;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selkie-claim-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** What each of several processes is told that claims the same name at once. */
async function claimsAtOnce(): Promise<string[]> {
  const children = Array.from({ length: processes }, () =>
    spawn(process.execPath, ['tests/support/claim.mjs', folder], { stdio: ['pipe', 'pipe', 'inherit'] }),
  );
  const lines = children.map(({ stdout }) => createInterface(stdout)[Symbol.asyncIterator]());
  const next = () => Promise.all(lines.map(async (line) => ((await line.next()) as { value: string }).value));
  await next();
  for (const { stdin } of children) stdin.write('now\n');
  const told = await next();
  for (const { stdin } of children) stdin.end();
  await Promise.all(children.map((child) => once(child, 'exit')));
  return told.sort().reverse();
}

const oneOf = ['yes', ...Array.from({ length: processes - 1 }, () => 'no')];

it('gives a name to one of many that claim it at once, though a dead process still has it', async () => {
  for (let i = 0; i < 3; i += 1) {
    const dead = { name: 'supervisor', pid: process.pid, startTime: 'long ago', stopSignal: 'SIGTERM' };
    writeFileSync(join(folder, 'supervisor.json'), JSON.stringify(dead));
    expect(await claimsAtOnce()).toEqual(oneOf);
  }
});

it('is not held up by a process that was killed while it claimed', async () => {
  writeFileSync(join(folder, `flag.${process.pid}.earlier`), '');
  expect(await claimsAtOnce()).toEqual(oneOf);
});
