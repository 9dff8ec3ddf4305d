import { kindOfFile, kindOfType, problem, readEndings, type FileReading, type ReadFile } from '../../ingest/index.js';
import { messageOf } from '../../lib/error-message.js';
import { mebibytes } from '../corpus/bytes.js';
import { readKind } from './files.js';

/** Whether a page may be asked for; it is asked of each address that a page leads to, too. */
export type MayFetch = (url: URL) => boolean;

const timeoutMs = 30_000;
const mostRedirects = 5;

/** The address, where a source is one. */
export function pageUrl(source: string): URL | null {
  return /^https?:\/\//iu.test(source) && URL.canParse(source) ? new URL(source) : null;
}

/** Reads a page by http or https. */
export async function readPage(url: URL, mayFetch: MayFetch, maxBytes: number): Promise<ReadFile> {
  const path = pathOf(url);
  try {
    const response = await follow(url, mayFetch);
    if (!(response instanceof Response)) return { path, kind: kindOfFile(path), reading: response };
    const type = response.headers.get('content-type') ?? '';
    const kind = kindOfType(type) ?? kindOfFile(url.pathname);
    if (kind === null) {
      await response.body?.cancel();
      const fix = `name a page of one of these kinds: ${readEndings.join(', ')}`;
      return { path, kind, reading: problem('unsupported', `is of a type that is not read: ${type}`, fix) };
    }
    const bytes = await bodyOf(response, maxBytes);
    if (bytes === null) {
      const what = `is larger than ${mebibytes(maxBytes)}`;
      return { path, kind, reading: problem('tooLarge', what, 'raise the limit of the knowledge base') };
    }
    return { path, kind, reading: await readKind(bytes, kind, path, maxBytes) };
  } catch (error) {
    return { path, kind: kindOfFile(path), reading: unreachable(`does not answer (${reasonOf(error)})`) };
  }
}

const unreachable = (what: string): FileReading & { ok: false } =>
  problem('unreachable', what, 'open it in a browser, and correct the address');

/** The address without its scheme: a page keeps its passages' ids when it moves to https. */
const pathOf = ({ host, pathname, search }: URL): string => `${host}${pathname}${search}`;

/** The answer at the end of the redirects, or why there is none. */
async function follow(url: URL, mayFetch: MayFetch): Promise<Response | (FileReading & { ok: false })> {
  let at = url;
  for (let hop = 0; hop <= mostRedirects; hop += 1) {
    if (!/^https?:$/u.test(at.protocol) || !mayFetch(at)) {
      return problem('outside', `leads to ${at.host}, which may not be read`, 'name another address');
    }
    const response = await fetch(at, { redirect: 'manual', signal: AbortSignal.timeout(timeoutMs) });
    if (response.ok) return response;
    await response.body?.cancel();
    const location = response.headers.get('location');
    if (response.status < 300 || response.status > 399 || location === null) {
      return unreachable(`answers with status ${response.status}`);
    }
    at = new URL(location, at);
  }
  return unreachable(`redirects more than ${mostRedirects} times`);
}

/** Null: there are more bytes than allowed. */
async function bodyOf(response: Response, maxBytes: number): Promise<Uint8Array | null> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body ?? []) {
    parts.push(part as Uint8Array);
    size += (part as Uint8Array).length;
    if (size > maxBytes) return null;
  }
  return Buffer.concat(parts);
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return messageOf(cause ?? error);
}
