import { z } from 'zod';

/** The store cannot be used for now. Its name is an error type of the contract. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}

/** Of a disk that is full, broken, not mounted or mounted for reading, and of a file server that is away. */
const awayCodes = new Set(
  (
    'ENOSPC EDQUOT EROFS EIO ENXIO ENODEV ESTALE ENOTCONN ECONNREFUSED ECONNRESET ECONNABORTED EHOSTDOWN EHOSTUNREACH ' +
    'ENETUNREACH ETIMEDOUT EREMOTEIO ESHUTDOWN EACCES EPERM EBUSY EAGAIN EMFILE ENFILE ENOMEM'
  ).split(' '),
);

const systemErrorSchema = z.object({ code: z.string() });

/** Runs what touches the store. What goes wrong with its disk is waited for; anything else is thrown as it is. */
export async function onDisk<T>(root: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { code } = systemErrorSchema.safeParse(error).data ?? {};
    if (code === undefined || !awayCodes.has(code)) throw error;
    const { message } = error as Error;
    throw new StoreUnavailable(`the artifact store ${root} cannot be used: ${message}`, { cause: error });
  }
}
