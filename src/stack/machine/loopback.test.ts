import { expect, it } from 'vitest';
import { isLoopback, loopbackDirect } from './loopback.js';

it.each([
  ['127.0.0.1:7233', true],
  ['127.1.2.3:7233', true],
  ['localhost:7233', true],
  ['[::1]:7233', true],
  ['10.0.0.1:7233', false],
  ['localhost.example.org:7233', false],
  ['prod.a2dd6.tmprl.cloud:7233', false],
])('knows whether %s is on this machine', (address, here) => {
  expect(isLoopback(address)).toBe(here);
});

it('makes an exception for the loopback in every spelling, and keeps those that are there', () => {
  expect(loopbackDirect({})).toEqual({ no_proxy: '127.0.0.1,localhost', NO_PROXY: '127.0.0.1,localhost' });
  expect(loopbackDirect({ NO_PROXY: 'intern.example', https_proxy: 'http://proxy:1' })).toEqual({
    https_proxy: 'http://proxy:1',
    no_proxy: 'intern.example,127.0.0.1,localhost',
    NO_PROXY: 'intern.example,127.0.0.1,localhost',
  });
  expect(loopbackDirect({ no_grpc_proxy: 'a', no_proxy: 'localhost, b' })).toMatchObject({
    no_grpc_proxy: 'a,127.0.0.1,localhost',
    no_proxy: 'localhost,b,127.0.0.1',
  });
});
