import { describe, expect, it } from 'vitest';
import { parseFrom, sourceOf } from '../../../src/receiver/from-patterns.ts';
import { parseKeyOptions } from '../../../src/receiver/key-options.ts';

describe('from=', () => {
  it.each([
    ['10.0.0.0/8,!10.0.0.1', '10.2.3.4', true],
    ['10.0.0.0/8,!10.0.0.1', '10.0.0.1', false],
    ['10.0.0.0/8,!10.0.0.1', '::ffff:10.2.3.4', true],
    ['!10.0.0.1', '10.2.3.4', false],
    ['192.168.?.*', '192.168.1.77', true],
    ['192.168.?.*', '192.168.10.77', false],
    ['*', '2001:db8::1', true],
    ['2001:db8::/32', '2001:db8:1::9', true],
    ['2001:db8::/32', '2001:db9::9', false],
    ['127.0.0.1', '127.0.0.1', true],
  ])('%s and %s: %s', (list, address, isAllowed) => {
    expect(parseFrom(list)?.(address)).toBe(isAllowed);
  });

  it.each(['', 'host.example.org', '10.0.0.0/33', '10.0.0/8', '10.0.0.1,,', '(a|b)*'])('%s is refused', (list) => {
    expect(parseFrom(list)).toBeUndefined();
  });
});

describe('one source', () => {
  it.each([
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:0:1:a:b:c:d', '2001:db8:0:1::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ])('%s is %s', (address, source) => expect(sourceOf(address)).toBe(source));
});

describe('options', () => {
  it('are read, and those that forbid what is never offered are taken', () => {
    const options = ['restrict', 'path="sites/ED1"', 'expiry-time="20300102Z"', 'command="internal-sftp"', 'no-pty'];
    expect(parseKeyOptions(options)).toEqual({ folder: ['sites', 'ED1'], expiresMs: Date.UTC(2030, 0, 2) });
    expect(parseKeyOptions(['expiry-time="203001021530"'])).toMatchObject({
      expiresMs: new Date(2030, 0, 2, 15, 30).getTime(),
    });
  });

  it.each([
    ['path=""', /path= takes/],
    ['path="/"', /path= takes/],
    ['path="../x"', /^path= takes no "\.\."/],
    ['path="a/../x"', /^path= takes no "\.\."/],
    ['path=ED1', /^path= takes its value in quotes: path="…"/],
    ['from=10.0.0.1', /^from= takes its value in quotes: from="…"/],
    ['from="example.org"', /from= takes/],
    ['expiry-time="20300231"', /expiry-time= takes/],
    ['expiry-time="soon"', /expiry-time= takes/],
    ['command="internal-sftp -R"', /"command" is not supported \(but/],
    ['permitopen="*"', /"permitopen" is not supported/],
  ])('%s lets nobody in', (option, why) => expect(parseKeyOptions([option])).toMatch(why));
});
