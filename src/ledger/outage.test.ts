import { describe, expect, it } from 'vitest';
import { asOutage, LedgerUnavailable } from './outage.js';

const coded = (code: string, message = code, more = {}): Error => Object.assign(new Error(message), { code, ...more });

describe('asOutage', () => {
  it.each<[string, Error]>([
    ['nobody listens', coded('ECONNREFUSED')],
    ['no address of the host answers', new AggregateError([coded('ECONNREFUSED'), coded('ENETUNREACH')])],
    ['the connection broke', coded('ECONNRESET')],
    ['no such host', coded('ENOTFOUND')],
    ['no socket file', coded('ENOENT', 'connect ENOENT', { syscall: 'connect' })],
    ['a shutdown', coded('57P01')],
    ['a crash', coded('57P02')],
    ['a start-up', coded('57P03')],
    ['too many connections', coded('53300')],
    ['a full disk', coded('53100')],
    ['a broken disk', coded('58030')],
    ['a connection failure', coded('08006')],
    ['a server that is the standby now', coded('25006')],
    ['a connection that was left idle in a transaction', coded('25P03')],
    ['a lost connection', new Error('Connection terminated unexpectedly')],
    ['a slow connection', new Error('Connection terminated due to connection timeout')],
    ['a pooler that has no connection', coded('08P01', 'query_wait_timeout')],
    ['a full pool', new Error('timeout exceeded when trying to connect')],
    ['a server that stands still', new Error('Query read timeout')],
    ['a connection that was lost before', new Error('Client has encountered a connection error and is not queryable')],
  ])('%s: it is waited for', (_, error) => {
    const outage = asOutage(error);
    expect(outage).toBeInstanceOf(LedgerUnavailable);
    expect(outage).toMatchObject({ name: 'LedgerUnavailable', cause: error });
  });

  it.each<[string, Error]>([
    ['a wrong password', coded('28P01')],
    ['no such database', coded('3D000')],
    ['a statement that was too slow', coded('57014')],
    ['a deadlock', coded('40P01')],
    ['a constraint', coded('23505')],
    ['no file of certificates', coded('ENOENT', 'open ENOENT', { syscall: 'open' })],
    ['a pooler that refuses', coded('08P01', 'unsupported startup parameter: statement_timeout')],
    ['a bug', new TypeError('oops')],
  ])('%s: it is counted', (_, error) => {
    expect(asOutage(error)).toBe(error);
  });
});
