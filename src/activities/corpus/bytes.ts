import { constants } from 'node:fs';
import { open, stat } from 'node:fs/promises';

export type FileBytes =
  { ok: true; bytes: Uint8Array } | { ok: false; code: 'noFile' | 'tooLarge' | 'unreadable'; what: string };

const noFile: FileBytes = { ok: false, code: 'noFile', what: 'is neither a file nor a folder' };

/** The bytes of a file, or in words why they are not read. Opening does not wait for the other end of a pipe. */
export async function readBytes(path: string, mostBytes: number): Promise<FileBytes> {
  let handle;
  try {
    if (!(await stat(path)).isFile()) return noFile;
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const found = await handle.stat();
    if (!found.isFile()) return noFile;
    if (found.size > mostBytes) {
      return { ok: false, code: 'tooLarge', what: `is larger than ${mebibytes(mostBytes)}` };
    }
    return { ok: true, bytes: await handle.readFile() };
  } catch (error) {
    return { ok: false, code: 'unreadable', what: `cannot be read (${codeOf(error)})` };
  } finally {
    await handle?.close();
  }
}

export const mebibytes = (bytes: number): string => `${Number((bytes / 1024 ** 2).toFixed(2))} MiB`;

/** The system's code of an error. */
export const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'unreadable';
