import assert from 'node:assert/strict';
import {
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { OWNER, expected } from './scope.ts';
import type { Lack } from './lacks.ts';
import type { RegisterTest } from './register.ts';

export const registerVerify = (test: RegisterTest, lacks: readonly Lack[]): void => {
  test('verifies: missing, truncated, other mtime, no file, and with checksum a changed byte', async (scope) => {
    const names = ['whole', 'missing', 'short', 'older', 'corrupt', 'folder', 'link'];
    const files = names.map((name) => scope.outgoing(name, 100_000));
    await Promise.all(files.map((file) => scope.transport.send(file, scope.signal)));
    const { mtimeMs } = lstatSync(scope.arrived('corrupt'));
    rmSync(scope.arrived('missing'));
    truncateSync(scope.arrived('short'), 5);
    utimesSync(scope.arrived('older'), 1, 1);
    const corrupt = readFileSync(scope.arrived('corrupt'));
    corrupt[50_000] = (corrupt[50_000] ?? 0) ^ 1;
    writeFileSync(scope.arrived('corrupt'), corrupt);
    utimesSync(scope.arrived('corrupt'), mtimeMs / 1000, mtimeMs / 1000);
    for (const name of ['folder', 'link']) rmSync(scope.arrived(name));
    mkdirSync(scope.arrived('folder'));
    symlinkSync('whole', scope.arrived('link'));
    const found = async (checksum: boolean): Promise<string[]> =>
      (await scope.transport.verify(files.map(expected), { checksum }, scope.signal))
        // Anything else in a file's place may be reported as either.
        .map(({ file, kind }) => `${file.targetPath} ${/folder|link/.test(file.targetPath) ? 'wrong' : kind}`)
        .toSorted();
    const usual = [
      'DC1/folder wrong',
      'DC1/link wrong',
      'DC1/missing missing',
      ...(lacks.includes('times') ? [] : ['DC1/older different']),
      'DC1/short different',
    ];
    assert.deepEqual(await found(false), usual);
    assert.deepEqual(await found(true), ['DC1/corrupt different', ...usual].toSorted());
  });

  test('verifies against what was expected, not against what the source is now', async (scope) => {
    const file = scope.outgoing('file', 1000);
    await scope.transport.send(file, scope.signal);
    scope.outgoing('file', 2000);
    assert.deepEqual(await scope.transport.verify([expected(file)], { checksum: false }, scope.signal), []);
    const [found] = await scope.transport.verify([expected(scope.describe('file'))], { checksum: false }, scope.signal);
    assert.equal(found?.kind, 'different');
  });

  test('verifies the content of the others where a source is gone, or no file any more', async (scope) => {
    const files = ['gone', 'folder', 'kept', 'corrupt'].map((name) => scope.outgoing(name, 1000));
    await Promise.all(files.map((file) => scope.transport.send(file, scope.signal)));
    const { mtimeMs } = lstatSync(scope.arrived('corrupt'));
    writeFileSync(scope.arrived('corrupt'), Buffer.alloc(1000));
    utimesSync(scope.arrived('corrupt'), mtimeMs / 1000, mtimeMs / 1000);
    for (const { sourcePath } of files.slice(0, 2)) rmSync(sourcePath);
    mkdirSync(files[1]?.sourcePath ?? '');
    const found = await scope.transport.verify(files.map(expected), { checksum: true }, scope.signal);
    assert.deepEqual(found.map(({ file }) => file.targetPath).toSorted(), ['DC1/corrupt', 'DC1/folder', 'DC1/gone']);
  });

  test('verifies where nothing was ever sent', async (scope) => {
    const found = await scope.transport.verify(
      [expected(scope.outgoing('file', 10))],
      { checksum: false },
      scope.signal,
    );
    assert.deepEqual(
      found.map(({ kind }) => kind),
      ['missing'],
    );
  });

  test('tidies its own temporary files and no others', async (scope) => {
    await scope.transport.send(scope.outgoing('file', 10), scope.signal);
    const others = ['.isocket-76543210-other.part', '.hidden.part', 'mine.part', '.file.AbCdEf'];
    for (const name of others) writeFileSync(scope.arrived(name), '');
    mkdirSync(scope.arrived('.isocket-76543210.part'));
    writeFileSync(scope.arrived('.isocket-76543210.part/left'), '');
    await scope.transport.tidy(['DC1', 'not-there'], scope.signal);
    assert.deepEqual(
      scope.everything(),
      [...others, '.isocket-76543210.part/left', 'file'].map((name) => `DC1/${name}`).toSorted(),
    );
    assert.ok(!scope.temporaries().some((path) => path.includes(OWNER)));
  });
};
