import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readRoundConfig, withCorpusFrom } from './config.js';

it('names who asks: by the option, by the config, or the user of this machine', () => {
  const config = JSON.stringify({ requestedBy: 'ben', seed: 9 });
  expect(readRoundConfig(config, 'ann')).toMatchObject({ requestedBy: 'ann', seed: 9 });
  expect(readRoundConfig(config)).toMatchObject({ requestedBy: 'ben', seed: 9 });
  expect(readRoundConfig().requestedBy).toBe(userInfo().username);
});

it('refuses what is no object', () => {
  expect(() => readRoundConfig('["tenant"]')).toThrow("the round's config has problems");
});

describe('--config', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'selkie-config-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const json = '{"seed": 9}';
  const bigEndian = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16();

  it.each([
    ['UTF-8', Buffer.from(json)],
    ['UTF-8 with a byte order mark', Buffer.from(`\uFEFF${json}`)],
    ['UTF-16', Buffer.from(`\uFEFF${json}`, 'utf16le')],
    ['UTF-16, big endian', bigEndian(`\uFEFF${json}`)],
    ['UTF-16 without a mark', Buffer.from(json, 'utf16le')],
    ['UTF-16, big endian, without a mark', bigEndian(json)],
    ['lines that end in CR LF', Buffer.from(json.replace(' ', '\r\n'))],
  ])('reads a file in %s', (_encoding, bytes) => {
    const file = join(folder, 'round.json');
    writeFileSync(file, bytes);
    expect(readRoundConfig(file)).toMatchObject({ seed: 9 });
  });

  it('reads JSON with a byte order mark', () => {
    expect(readRoundConfig(`\uFEFF${json}`)).toMatchObject({ seed: 9 });
  });

  it.each([
    ['a folder', () => folder, 'is a folder'],
    ['neither file nor JSON', () => 'round.jsno', 'neither a file nor JSON'],
    ['broken JSON', () => '{"seed": ', 'neither a file nor JSON'],
    [
      'a file of something else',
      () => {
        writeFileSync(join(folder, 'x'), 'seed: 9');
        return join(folder, 'x');
      },
      'is not JSON',
    ],
    ['a number', () => '7', "the round's config has problems"],
    ['a list', () => '[]', "the round's config has problems"],
  ])('refuses %s', (_what, argument, message) => {
    expect(() => readRoundConfig(argument())).toThrow(message);
  });

  it('says where it looked for a corpus', () => {
    const config = readRoundConfig('{"corpus": "kb"}');
    expect(() => withCorpusFrom(folder, config)).toThrow(`there is no file or folder ${join(folder, 'kb')}`);
    writeFileSync(join(folder, 'kb'), '');
    expect(withCorpusFrom(folder, config).corpus).toBe(join(folder, 'kb'));
    expect(withCorpusFrom(folder, readRoundConfig()).corpus).toBe('sample');
  });
});
