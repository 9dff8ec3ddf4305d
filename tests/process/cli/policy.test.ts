import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { run } from '../../../src/cli/main.js';
import { migrate } from '../../../src/ledger/index.js';
import { startPostgres, type TestPostgres } from '../../support/postgres.js';

let postgres: TestPostgres;
let url: string;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'selkie-policy-'));
  postgres = await startPostgres();
  url = await postgres.createDatabase('ledger');
  await migrate(url);
});
afterAll(async () => {
  await postgres.stop();
  rmSync(folder, { recursive: true });
});

let out: string;
let err: string;
beforeEach(() => {
  out = '';
  err = '';
  vi.stubEnv('DATABASE_URL', url);
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += text.toString()), true));
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((err += text.toString()), true));
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

const policy = (line: string): Promise<number> => run(['policy', ...line.split(' ')]);
async function shown(tenant: string): Promise<unknown> {
  out = '';
  expect(await policy(`show ${tenant} --json`)).toBe(0);
  return JSON.parse(out);
}

describe('a policy', () => {
  it('is there once it is set, and a further version changes what is named', async () => {
    expect(await shown('acme')).toBeNull();
    expect(await policy('set acme --trust unsigned --approvers ann bob --needed 2 --as ann')).toBe(0);
    expect(await shown('acme')).toMatchObject({ version: 1, setBy: 'ann', policy: { approvers: ['ann', 'bob'] } });

    const file = join(folder, 'policy.json');
    writeFileSync(file, '{"onTimeout": "reject", "needed": 1}');
    expect(await policy(`set acme --file ${file} --anybody --requester-may-approve --needed 3 --as bob`)).toBe(0);
    expect(await shown('acme')).toMatchObject({
      version: 2,
      setBy: 'bob',
      policy: { needed: 3, approvers: [], requesterMayApprove: true, onTimeout: 'reject', trust: 'unsigned' },
    });
    out = '';
    expect(await policy('show acme')).toBe(0);
    expect(out).toContain('acme: version 2, set by bob');
    expect(out).toContain('needed     3 approvals');
  });

  it.each([
    ['set demo', 'nothing is to be changed'],
    ['set other --needed 2', 'trust: '],
    ['set demo --approvers ann --needed 2', '2 approvals are needed'],
    ['set demo --approvers ann --anybody', 'exclude each other'],
    ['set DEMO --needed 2', '"DEMO" is no tenant: lower-case letters'],
    ['set demo --deadline 99999999999', 'deadlineSeconds: '],
  ])('%s: is refused with the reason, exit code 2', async (line, reason) => {
    expect(await policy(line)).toBe(2);
    expect(err).toContain(reason);
    expect(await shown('demo')).toBeNull();
  });
});
