import { z } from 'zod';

const derived = new Map<z.ZodType, z.ZodType>();

/**
 * The schema without its strictness: fields that it does not know are left out of the value, at every depth, while missing
 * and wrong ones are refused as before. A workflow reads results with it, because a newer worker may have given them. The
 * schema is derived once; its checks, defaults and transforms stay.
 */
export function tolerant<S extends z.ZodType>(schema: S): S {
  const known = derived.get(schema) ?? derive(schema);
  derived.set(schema, known);
  return known as S;
}

function derive(schema: z.ZodType): z.ZodType {
  if (schema instanceof z.ZodObject) {
    const shape = schema.shape as Record<string, z.ZodType>;
    const fields = Object.entries(shape).map(([name, field]) => [name, tolerant(field)] as const);
    return schema.clone({ ...schema.def, shape: Object.fromEntries(fields), catchall: undefined });
  }
  if (schema instanceof z.ZodArray) return schema.clone({ ...schema.def, element: inner(schema.def.element) });
  if (schema instanceof z.ZodRecord) return schema.clone({ ...schema.def, valueType: inner(schema.def.valueType) });
  if (schema instanceof z.ZodTuple) {
    const { items, rest } = schema.def;
    return schema.clone({ ...schema.def, items: items.map(inner), rest: rest === null ? null : inner(rest) });
  }
  if (schema instanceof z.ZodUnion) return schema.clone({ ...schema.def, options: schema.def.options.map(inner) });
  if (schema instanceof z.ZodPipe) {
    return schema.clone({ ...schema.def, in: inner(schema.def.in), out: inner(schema.def.out) });
  }
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodReadonly
  ) {
    return schema.clone({ ...schema.def, innerType: inner(schema.def.innerType) } as never);
  }
  return schema;
}

const inner = (schema: z.core.$ZodType): z.ZodType => tolerant(schema as z.ZodType);
