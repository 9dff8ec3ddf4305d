import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { freeBytes } from './disk.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selkie-disk-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('looks at the disk of a folder that is yet to be made', () => {
  expect(freeBytes(join(folder, 'a', 'b'))).toBeGreaterThan(0);
});

it('says that a file is in the way', () => {
  writeFileSync(join(folder, 'file'), '');
  expect(() => freeBytes(join(folder, 'file'))).toThrow(`${join(folder, 'file')} is no folder`);
  expect(() => freeBytes(join(folder, 'file', 'home'))).toThrow('is no folder');
});
