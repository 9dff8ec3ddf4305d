import { describe, expect, it } from 'vitest';
import { connectionError } from './connection.js';

const coded = (code: string, message = code): Error => Object.assign(new Error(message), { code });

describe('connectionError', () => {
  const url = 'postgres://selkie:hunter2@db.example:5432/ledger';

  it.each<[string, Error, RegExp]>([
    ['absent', coded('ECONNREFUSED', 'connect ECONNREFUSED 10.0.0.1:5432'), /nothing listens there: .*DATABASE_URL/],
    ['slow', new Error('Connection terminated due to connection timeout'), /does not answer in time/],
    ['a password', coded('28P01', 'password authentication failed for user "selkie"'), /refuses the login/],
    ['a client without TLS', coded('28000', 'no pg_hba.conf entry for host, no encryption'), /wants TLS/],
    ['a start-up', coded('57P03', 'the database system is starting up'), /is starting/],
    ['several addresses', new AggregateError([coded('ECONNREFUSED', 'no')]), /nothing listens there: .* \(no\)$/],
    ['a database', coded('3D000', 'database "ledger" does not exist'), /has no such database/],
    ['a certificate', coded('SELF_SIGNED_CERT_IN_CHAIN', 'self-signed certificate'), /TLS fails: .*sslrootcert/],
    ['no TLS', new Error('The server does not support SSL connections'), /does not speak TLS/],
    ['a pooler', coded('08P01', 'unsupported startup parameter: statement_timeout'), /ignore_startup_parameters/],
    ['anything else', new Error('oops'), /cannot be used \(oops\)/],
  ])('tells %s apart, and names the server without its password', (_, error, words) => {
    const { message } = connectionError(error, url);
    expect(message).toMatch(words);
    expect(message).toContain('Postgres (db.example:5432/ledger)');
    expect(message).not.toContain('hunter2');
  });
});
