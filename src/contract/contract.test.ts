import { readdir, readFile } from 'node:fs/promises';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { canonicalDigest } from './digest.js';
import { parseConfig, roundConfigSchema } from './config.js';
import { runnerContract, runnerSchemas, type RunnerSchemaName } from './json-schema.js';
import { payloadConverter } from './payload-converter.js';

const contractDir = new URL('../../gpu-runner/contract/', import.meta.url);

interface Golden {
  schema: RunnerSchemaName;
  cases: { valid: boolean; what: string; payload: unknown }[];
}

describe('the contract with the runner', () => {
  it('is the one that the runner reads', async () => {
    const file: unknown = JSON.parse(await readFile(new URL('contract.json', contractDir), 'utf8'));
    expect(file, 'out of date: npm run contract').toEqual(JSON.parse(JSON.stringify(runnerContract())));
  });

  it('has golden payloads for every schema, which zod and JSON Schema judge alike', async () => {
    const ajv = new Ajv2020({ strict: false });
    const files = await readdir(new URL('golden/', contractDir));
    expect(files.map((f) => f.replace('.json', '')).sort()).toEqual(Object.keys(runnerSchemas).sort());
    const contract = runnerContract();
    for (const file of files) {
      const golden = JSON.parse(await readFile(new URL(`golden/${file}`, contractDir), 'utf8')) as Golden;
      const validate = ajv.compile(contract.schemas[golden.schema] ?? {});
      for (const { valid, what, payload } of golden.cases) {
        expect(runnerSchemas[golden.schema].safeParse(payload).success, `zod: ${file}: ${what}`).toBe(valid);
        expect(validate(payload), `JSON Schema: ${file}: ${what}`).toBe(valid);
      }
    }
  });
});

describe('parseConfig', () => {
  it('takes nothing for an empty object, and fills every default', () => {
    const parsed = parseConfig(roundConfigSchema, undefined);
    expect(parsed).toMatchObject({
      ok: true,
      value: { tenant: 'demo', editsPerSource: 3, caps: { maxStepsPerTrial: 400 } },
    });
  });

  it('lists every problem, and the valid keys beside an unknown one', () => {
    const parsed = parseConfig(roundConfigSchema, { tenat: 'x', editsPerSource: 0, caps: { maxSteps: 1 } });
    expect(parsed.ok).toBe(false);
    const text = parsed.ok ? '' : parsed.problems.join('\n');
    expect(text).toContain('editsPerSource');
    expect(text).toMatch(
      /caps: unknown key "maxSteps"(?: \(.*?\))?; valid keys: maxEditsPerRound, maxStepsPerTrial, maxDeviceSeconds/,
    );
    expect(text).toMatch(/unknown key "tenat" \(did you mean "tenant"\?\); valid keys: tenant, /);
  });
});

describe('canonicalDigest', () => {
  it('does not depend on the order of keys', () => {
    expect(canonicalDigest({ a: 1, b: [2] })).toBe(canonicalDigest({ b: [2], a: 1 }));
  });
});

describe('the payload converter', () => {
  const encoded = (encoding: string, data: string) => ({
    metadata: { encoding: new TextEncoder().encode(encoding) },
    data: new TextEncoder().encode(data),
  });

  it.each([
    ['json/protobuf', '{}'],
    ['json/plain', '{not json'],
    ['x/y', ''],
  ])('hands on a sentinel for %s %s', (encoding, data) => {
    expect(payloadConverter.fromPayload(encoded(encoding, data))).toMatchObject({ __undecodable: true });
  });

  it('changes nothing about a good payload', () => {
    expect(payloadConverter.fromPayload(payloadConverter.toPayload({ a: 1 }))).toEqual({ a: 1 });
  });
});

it('reads histories from JSON, which needs one protobufjs', () => {
  expect(() => historyFromJSON({ events: [] })).not.toThrow();
});
