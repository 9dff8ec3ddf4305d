import { z } from 'zod';
import { messageOf } from '../lib/error-message.js';

const codeSchema = z.object({ code: z.string() });

/** By the server's code, the system's or TLS's; the first that fits. Each completes a sentence that begins with the server. */
const reasons: [RegExp, string][] = [
  [
    /^28/,
    'refuses the login: check user and password in DATABASE_URL, pg_hba.conf, and whether it wants TLS (sslmode=require)',
  ],
  [/^3D000$/, 'has no such database: create it (createdb), or check the name in DATABASE_URL'],
  [/^42501$/, 'does not give this user the rights that the ledger needs'],
  [/^53300$/, 'has no connection left: end some, or raise max_connections'],
  [/^57P0/, 'is starting or stopping: try again'],
  [
    /unsupported startup parameter/,
    'is behind a PgBouncer that does not take our bounds: set ignore_startup_parameters = statement_timeout, idle_in_transaction_session_timeout there',
  ],
  [/^ECONNREFUSED$/, 'does not answer, nothing listens there: start it, or check host and port in DATABASE_URL'],
  [/^(ENOTFOUND|EAI_AGAIN)$/, 'does not answer, its host is not known: check the name in DATABASE_URL'],
  [/^(ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)$/, 'does not answer, its host cannot be reached: check the network'],
  [/^(ECONNRESET|EPIPE)$/, 'ended the connection: check its log, and whether it wants TLS (sslmode=require)'],
  [/timeout/i, 'does not answer in time: it is slow, overloaded or stopped'],
  [/does not support SSL/i, 'does not speak TLS: take sslmode out of DATABASE_URL, or switch TLS on there'],
  [
    /CERT|SELF_SIGNED|UNABLE_TO_|ERR_TLS|ERR_SSL|EPROTO|certificate|altnames/,
    'is reached, but TLS fails: give its CA by sslrootcert=FILE in DATABASE_URL (sslmode=require checks the certificate as verify-full does; sslmode=no-verify does not check it)',
  ],
];

/** Why a Postgres cannot be used and what to do, as the end of a sentence that begins with its name. */
export function connectionReason(error: unknown): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const code = codeSchema.safeParse(first).data?.code ?? '';
  const message = messageOf(first);
  const [, reason = 'cannot be used'] = reasons.find(([pattern]) => pattern.test(code) || pattern.test(message)) ?? [];
  return `${reason} (${message === '' ? code : message})`;
}
