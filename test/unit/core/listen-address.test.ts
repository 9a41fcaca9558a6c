import { describe, expect, it } from 'vitest';
import { isLoopback, parseListenAddress, showListenAddress } from '../../../src/core/listen-address.ts';

describe('an address to listen on', () => {
  it.each([
    ['127.0.0.1:9180', '127.0.0.1:9180', true],
    ['9180', '127.0.0.1:9180', true],
    ['[::1]:9180', '[::1]:9180', true],
    ['[0:0:0:0:0:0:0:1]:80', '[::1]:80', true],
    ['127.1:443', '127.0.0.1:443', true],
    ['LocalHost:9180', 'localhost:9180', true],
    ['0.0.0.0:9180', '0.0.0.0:9180', false],
    ['[::]:65535', '[::]:65535', false],
    ['backup.example.org:1', 'backup.example.org:1', false],
    ['127.example.org:1', '127.example.org:1', false],
  ])('%s is %s', (text, shown, loopback) => {
    const address = parseListenAddress(text);
    expect(address && showListenAddress(address)).toBe(shown);
    expect(address && isLoopback(address.host)).toBe(loopback);
  });

  it.each([
    '',
    ':9180',
    '*:9180',
    '::1:9180',
    '127.0.0.1',
    '127.0.0.1:0',
    '65536',
    '0',
    '-1',
    '[::1]',
    'a b:1',
    'user@host:1',
    'http://localhost:1',
    'localhost:1/',
    '[::1',
    '[x]:1',
  ])('"%s" is none', (text) => {
    expect(parseListenAddress(text)).toBeUndefined();
  });
});
