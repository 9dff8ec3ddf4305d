/** gRPC's status code of an error; -1 where it has none. */
export function grpcCodeOf(error: unknown): number {
  const { code } = error as { code?: unknown };
  return typeof code === 'number' ? code : -1;
}
