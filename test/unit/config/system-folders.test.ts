import { describe, expect, it } from 'vitest';
import { configSchema } from '../../../src/config/schema.ts';

const accepts = (root: string, tag = ''): boolean => configSchema.safeParse({ source: { root, tag } }).success;

describe('source.root', () => {
  it.each(['/etc', '/etc/', '/usr/share/x', '/proc/1', '/dev', '/dev/shm', '/boot', '/lib64'])(
    'may not be %s, with any tag',
    (root) => {
      expect(accepts(root)).toBe(false);
      expect(accepts(root, 'DC')).toBe(false);
    },
  );

  it.each(['/', '/home', '/tmp', '/var/lib'])('may be %s only with a tag', (root) => {
    expect(accepts(root)).toBe(false);
    expect(accepts(root, 'DC')).toBe(true);
  });

  it.each(['/datas', '/srv/datas', '/dev/shm/datas', '/usr/local/datas', '/etcetera', '/home/parser', '/run/datas'])(
    'may be %s',
    (root) => expect(accepts(root)).toBe(true),
  );
});
