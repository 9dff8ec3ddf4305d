import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defaultPayloadConverter } from '@temporalio/common';
import { activityContracts, tolerant, type ActivityName } from '../../src/contract/index.js';
import { readCorpus } from '../support/histories.js';

// A newer worker's results, read by an older workflow: the samples are what the recorded activities returned.

interface Sample {
  name: ActivityName;
  schema: z.ZodType;
  value: unknown;
}

let samples: Sample[] = [];
beforeAll(async () => {
  const unique = new Map<string, Sample>();
  for (const { history } of (await readCorpus()).values()) {
    const names = new Map<string, string>();
    for (const event of history.events ?? []) {
      const scheduled = event.activityTaskScheduledEventAttributes;
      if (scheduled) names.set(String(event.eventId), scheduled.activityType?.name ?? '');
      const completed = event.activityTaskCompletedEventAttributes;
      const [payload] = completed?.result?.payloads ?? [];
      const name = names.get(String(completed?.scheduledEventId)) as ActivityName | undefined;
      if (name === undefined || payload === undefined) continue;
      const value: unknown = defaultPayloadConverter.fromPayload(payload);
      const schema = activityContracts[name].result;
      if (schema.safeParse(value).success) unique.set(`${name} ${JSON.stringify(value)}`, { name, schema, value });
    }
  }
  samples = [...unique.values()];
});

type Path = (string | number)[];

/** Where a value has fields of a schema, at every depth. */
function objectsIn(schema: z.core.$ZodType, value: unknown, at: Path = []): Path[] {
  if (schema instanceof z.ZodObject && typeof value === 'object' && value !== null) {
    const shape: Record<string, z.core.$ZodType> = schema.shape;
    const below = Object.entries(shape).flatMap(([name, field]) =>
      objectsIn(field, (value as Record<string, unknown>)[name], [...at, name]),
    );
    return [at, ...below];
  }
  if (schema instanceof z.ZodArray && Array.isArray(value)) {
    return value.flatMap((item, i) => objectsIn(schema.def.element, item, [...at, i]));
  }
  if (schema instanceof z.ZodUnion) {
    const option = schema.def.options.find((one) => z.safeParse(one, value).success);
    return option === undefined ? [] : objectsIn(option, value, at);
  }
  if (schema instanceof z.ZodNullable || schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) {
    return objectsIn(schema.def.innerType, value, at);
  }
  return [];
}

function changedAt(
  value: unknown,
  [key, ...rest]: Path,
  change: (fields: Record<string, unknown>) => unknown,
): unknown {
  if (key === undefined) return change(value as Record<string, unknown>);
  if (Array.isArray(value))
    return value.map((item, i) => (i === key ? changedAt(item, rest, change) : (item as unknown)));
  const fields = value as Record<string, unknown>;
  return { ...fields, [key]: changedAt(fields[key], rest, change) };
}

describe('a result, read by a workflow', () => {
  it('is sampled of most activities', () => {
    expect(new Set(samples.map(({ name }) => name)).size).toBeGreaterThan(Object.keys(activityContracts).length * 0.7);
  });

  it('may have fields that the contract does not know, at every depth, and is the same without them', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...samples),
        fc.infiniteStream(fc.record({ name: fc.string({ minLength: 1 }), value: fc.jsonValue() })),
        fc.infiniteStream(fc.boolean()),
        ({ schema, value }, unknownFields, chosen) => {
          let noisy = value;
          let added = 0;
          for (const path of objectsIn(schema, value)) {
            if (chosen.next().value === false) continue;
            const { name, value: unknownValue } = unknownFields.next().value as { name: string; value: unknown };
            added += 1;
            noisy = changedAt(noisy, path, (fields) => ({ ...fields, [`new ${name}`]: unknownValue }));
          }
          expect(tolerant(schema).parse(noisy)).toEqual(schema.parse(value));
          if (added > 0) expect(schema.safeParse(noisy).success).toBe(false);
        },
      ),
    );
  });

  it('is refused without a field, and with a wrong one, where the contract refuses it', () => {
    for (const { schema, value } of samples) {
      for (const path of objectsIn(schema, value)) {
        const fields = path.reduce<unknown>((at, key) => (at as Record<string | number, unknown>)[key], value);
        for (const name of Object.keys(fields as object)) {
          for (const change of [{ [name]: undefined }, { [name]: Symbol('wrong') }]) {
            const changed = changedAt(value, path, (known) => ({ ...known, ...change }));
            expect(tolerant(schema).safeParse(changed).success).toBe(schema.safeParse(changed).success);
          }
        }
      }
    }
  });

  it('has its schema derived once', () => {
    const schema = activityContracts.buildReport.result;
    expect(tolerant(schema)).toBe(tolerant(schema));
  });
});
