import { describe, expect, it } from 'vitest';
import { secretFindings } from './secrets.js';

describe('secretFindings', () => {
  it('finds nothing in prose', async () => {
    expect(await secretFindings('Seals swim.\nThe token of the day is a fish.')).toEqual([]);
  });

  it('says what and where, and never the secret', async () => {
    const token = ['ghp', 'wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx'].join('_');
    const url = ['postgres://admin', 'hunter2secret@db.internal:5432/x'].join(':');
    const findings = await secretFindings(`Seals swim.\nUse ${token}.\nOr ${url}.`);
    expect(findings).toHaveLength(2);
    expect(findings[0]).toBe('GITHUB_TOKEN in line 2');
    expect(findings[1]).toMatch(/ in line 3$/);
    expect(findings.join()).not.toMatch(/wWPw5k|hunter2/);
  });
});
