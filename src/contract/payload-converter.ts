import { defaultPayloadConverter, type Payload, type PayloadConverter } from '@temporalio/common';

/** Replaces a payload that cannot be decoded. No schema accepts it, so its reader refuses it with the reason. */
export interface Undecodable {
  __undecodable: true;
  reason: string;
}

/** Why a value could not be decoded; null for one that could. */
export function undecodableReason(value: unknown): string | null {
  const isSentinel = typeof value === 'object' && value !== null && '__undecodable' in value && 'reason' in value;
  if (!isSentinel) return null;
  // the sender may have written a sentinel
  return typeof value.reason === 'string' ? value.reason.slice(0, 300) : 'no reason is given';
}

type FromPayloadRest<T> =
  Parameters<typeof defaultPayloadConverter.fromPayload<T>> extends [Payload, ...infer Rest] ? Rest : never;

/**
 * The default converter throws on an unknown encoding or on broken JSON, which fails the workflow task for ever:
 * one bad signal would wedge a round. This one hands on a sentinel instead. Every worker, client and replay test uses it
 * (`dataConverter: { payloadConverterPath }`), and everything received is parsed with its schema.
 */
class TolerantPayloadConverter implements PayloadConverter {
  toPayload(...args: Parameters<PayloadConverter['toPayload']>): Payload {
    return defaultPayloadConverter.toPayload(...args);
  }

  fromPayload<T>(payload: Payload, ...rest: FromPayloadRest<T>): T {
    try {
      return defaultPayloadConverter.fromPayload<T>(payload, ...rest);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { __undecodable: true, reason: reason.slice(0, 300) } satisfies Undecodable as T;
    }
  }
}

export const payloadConverter: PayloadConverter = new TolerantPayloadConverter();
