/**
 * The message of an error. Where no address of a host answers there are several errors: the first represents them all.
 */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return messageOf(error.errors[0]);
  return error instanceof Error ? error.message : String(error);
}
