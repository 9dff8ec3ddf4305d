import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StackError } from '../errors.js';
import { environmentOf, targetOf } from './client.js';
import { configuredTarget, externalTarget } from './target.js';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'selkie-target-'));
  file = join(folder, 'temporal.toml');
  writeFileSync(file, '[profile.cloud]\naddress = "cloud:7233"\nnamespace = "acme.x"\napi_key = "k"\n');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** what a user of Temporal Cloud may have exported */
const cloudVariables = () => ({
  TEMPORAL_NAMESPACE: 'acme.x',
  TEMPORAL_API_KEY: 'k',
  TEMPORAL_TLS: 'true',
  TEMPORAL_PROFILE: 'none-such',
  TEMPORAL_CONFIG_FILE: file,
  TEMPORAL_GRPC_META_TEAM: 'a',
});
const own = { temporalAddress: '127.0.0.1:7233', temporalNamespace: 'default', temporalUi: 'http://127.0.0.1:8233' };

describe('externalTarget', () => {
  it('is named by TEMPORAL_ADDRESS alone', () => {
    expect(externalTarget(cloudVariables())).toBeNull();
    expect(externalTarget({ TEMPORAL_ADDRESS: '' })).toBeNull();
  });

  it('takes namespace, key, TLS and metadata from the variables and the profile', () => {
    const env = { TEMPORAL_ADDRESS: 'here:7233', TEMPORAL_PROFILE: 'cloud', TEMPORAL_CONFIG_FILE: file };
    expect(externalTarget(env)).toMatchObject({
      address: 'here:7233',
      namespace: 'acme.x',
      options: { apiKey: 'k', tls: true },
    });
    expect(externalTarget({ ...env, TEMPORAL_NAMESPACE: 'b', TEMPORAL_TLS: 'false' })).toMatchObject({
      namespace: 'b',
      options: { tls: false },
    });
  });

  it.each([
    { TEMPORAL_ADDRESS: 'https://here:7233' },
    { TEMPORAL_ADDRESS: 'a:b:c' },
    { TEMPORAL_ADDRESS: 'here:99999' },
    { TEMPORAL_PROFILE: 'none-such' },
    { TEMPORAL_CONFIG_FILE: '/' },
    { TEMPORAL_TLS_SERVER_CA_CERT_PATH: '/none' },
  ])('says in a sentence that %o cannot be used', (variables) => {
    const settings = { TEMPORAL_ADDRESS: 'here:7233', TEMPORAL_CONFIG_FILE: file, ...variables };
    expect(() => externalTarget(settings)).toThrow(StackError);
    expect(() => externalTarget(settings)).toThrow(/^the settings for Temporal cannot be used: /);
  });
});

describe('configuredTarget', () => {
  it('may come from a profile', () => {
    expect(configuredTarget({ TEMPORAL_PROFILE: 'cloud', TEMPORAL_CONFIG_FILE: file })?.address).toBe('cloud:7233');
    expect(configuredTarget({ TEMPORAL_CONFIG_FILE: join(folder, 'none.toml') })).toBeNull();
  });
});

describe('a stack’s Temporal', () => {
  it('of its own hears of no other', () => {
    expect(targetOf(own, cloudVariables())).toEqual({ address: '127.0.0.1:7233', namespace: 'default', options: {} });
    expect(environmentOf(own, { ...cloudVariables(), HOME: '/h' })).toEqual({
      HOME: '/h',
      TEMPORAL_ADDRESS: '127.0.0.1:7233',
      TEMPORAL_NAMESPACE: 'default',
      no_proxy: '127.0.0.1,localhost',
      NO_PROXY: '127.0.0.1,localhost',
    });
  });

  it('of somebody else is entered by the settings of the environment', () => {
    const foreign = { temporalAddress: 'x:7233', temporalNamespace: 'n', temporalUi: null };
    expect(targetOf(foreign, { TEMPORAL_API_KEY: 'k', TEMPORAL_CONFIG_FILE: file })).toEqual({
      address: 'x:7233',
      namespace: 'n',
      options: { apiKey: 'k', tls: true },
    });
  });
});
