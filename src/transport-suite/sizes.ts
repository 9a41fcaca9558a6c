import assert from 'node:assert/strict';
import { chmodSync, closeSync, lstatSync, openSync, truncateSync, utimesSync, writeFileSync, writeSync } from 'node:fs';
import { expected } from './scope.ts';
import type { Lack } from './lacks.ts';
import type { RegisterTest } from './register.ts';

// Around the sizes of chunks, packets and small files in transports.
const SIZES = [
  0,
  1,
  31_999,
  32_000,
  32_001,
  128 * 1024 - 1,
  128 * 1024,
  128 * 1024 + 1,
  5 * 1024 * 1024,
  9 * 1024 * 1024 + 7,
];
const GIB = 1024 ** 3;

export const registerSizes = (
  test: RegisterTest,
  { slow, lacks }: { readonly slow: boolean; readonly lacks: readonly Lack[] },
): void => {
  const [keepsTimes, keepsPermissions] = [!lacks.includes('times'), !lacks.includes('permissions')];
  const kept = [...(keepsTimes ? ['whole-second mtime'] : []), ...(keepsPermissions ? ['permission bits without the mark'] : [])]; // prettier-ignore

  test(`sizes: ${SIZES.join(', ')} bytes, on stable storage`, async (scope) => {
    const transport = scope.keep(scope.target.connect(scope.context({ durable: true })));
    await Promise.all(SIZES.map((bytes) => transport.send(scope.outgoing(`of-${bytes}`, bytes), scope.signal)));
    for (const bytes of SIZES) scope.expectArrived(`of-${bytes}`);
    assert.deepEqual(scope.temporaries(), []);
  });

  test('sizes: a sparse file', async (scope) => {
    scope.outgoing('sparse', 0);
    truncateSync(`${scope.source}/sparse`, 12 * 1024 * 1024 + 3);
    await scope.transport.send(scope.describe('sparse'), scope.signal);
    scope.expectArrived('sparse');
  });

  test(`keeps ${kept.join(' and ') || 'neither mtime nor permission bits'}`, async (scope) => {
    const modes = [0o600, 0o640, 0o664, 0o777, 0o444];
    const files = modes.map((mode) => {
      const name = `mode-${mode.toString(8)}`;
      writeFileSync(`${scope.source}/${name}`, 'x', { mode: 0o600 });
      utimesSync(`${scope.source}/${name}`, 1_000_000_000, 1_000_000_000.75);
      return { name, mode };
    });
    for (const { name, mode } of files) chmodSync(`${scope.source}/${name}`, mode);
    await Promise.all(files.map(({ name }) => scope.transport.send(scope.describe(name), scope.signal)));
    for (const { name, mode } of files) {
      const there = lstatSync(scope.arrived(name));
      if (keepsPermissions) assert.equal((there.mode & 0o7777).toString(8), (mode & ~0o020).toString(8), name);
      if (keepsTimes) assert.equal(Math.floor(there.mtimeMs / 1000), 1_000_000_000, name);
    }
  });

  test('keeps an mtime before 1970 as far as the destination can, and verifies it', async (scope) => {
    const names = ['half-a-second', 'years'];
    for (const [index, name] of names.entries()) {
      scope.outgoing(name, 10);
      const time = new Date(index === 0 ? -500 : -1_000_000_000_500);
      utimesSync(scope.sourcePath(name), time, time);
    }
    const files = names.map((name) => scope.describe(name));
    await Promise.all(files.map((file) => scope.transport.send(file, scope.signal)));
    assert.deepEqual(await scope.transport.verify(files.map(expected), { checksum: false }, scope.signal), []);
  });

  if (!slow) return;
  test('sizes: more than 4 GiB', async (scope) => {
    scope.outgoing('huge', 0);
    const size = 4 * GIB + 12_345;
    const descriptor = openSync(`${scope.source}/huge`, 'r+');
    for (const at of [0, 2 * GIB - 3, 4 * GIB - 3, size - 6]) writeSync(descriptor, 'isocket'.slice(0, 6), at);
    closeSync(descriptor);
    const file = scope.describe('huge');
    await scope.transport.send(file, scope.signal);
    assert.equal(lstatSync(scope.arrived('huge')).size, size);
    assert.deepEqual(await scope.transport.verify([expected(file)], { checksum: true }, scope.signal), []);
  });
};
