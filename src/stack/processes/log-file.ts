import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';

const tailBytes = 4000;

/** Bytes of a file; 0 when there is none. */
export const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;

/** What a file holds from byte `from` on, as text. */
export function readFrom(file: string, from: number): string {
  const descriptor = openSync(file, 'r');
  try {
    const length = Math.max(0, fstatSync(descriptor).size - from);
    const buffer = Buffer.alloc(length);
    return buffer.toString('utf8', 0, readSync(descriptor, buffer, 0, length, from));
  } finally {
    closeSync(descriptor);
  }
}

/** The last lines of a log, indented, for a message. */
export function tailOf(file: string, lines = 12): string {
  const size = sizeOf(file);
  if (size === 0) return '  (it printed nothing)';
  const text = readFrom(file, Math.max(0, size - tailBytes)).trimEnd();
  return text
    .split('\n')
    .slice(-lines)
    .map((line) => `  ${line}`)
    .join('\n');
}
