import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readFileSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { fsPath, TransportError, type FetchedFile, type Name } from '../transport.ts';
import type { Lack } from './lacks.ts';
import { namesFor } from './names.ts';
import { all, contentOf, fetch, receive, shown, tree, type Ends, type ReceivedFile } from './received.ts';
import { MANY_FILES, expectRejected } from './scope.ts';
import type { RegisterTest } from './register.ts';

const MIB = 1024 * 1024;
const SIZES = [0, 1, 31_999, 32_000, 32_001, 128 * 1024 - 1, 128 * 1024, 128 * 1024 + 1, 5 * MIB, 9 * MIB + 7];

export const registerFetch = (test: RegisterTest, has: readonly string[], lacks: readonly Lack[]): void => {
  if (!has.includes('fetch')) {
    test('brings no files back: the transport cannot, or the destination does not let it', async (scope) => {
      assert.equal(scope.transport.fetch !== undefined, scope.transport.listTree !== undefined, 'both, or neither');
      if (scope.transport.fetch === undefined) return;
      mkdirSync(scope.arrived('.'), { recursive: true });
      await expectRejected(tree(scope, 'DC1'), 'auth', 'file');
    });
    return;
  }
  registerTree(test, lacks);
  registerContent(test, lacks);
  registerFailures(test, has);
};

const registerTree = (test: RegisterTest, lacks: readonly Lack[]): void => {
  const names = namesFor(lacks);
  test('listTree: files, folders and what is neither, one folder or all below it, and no link is followed', async (scope) => {
    mkdirSync(scope.arrived('sub/empty'), { recursive: true });
    writeFileSync(scope.arrived('file'), 'x'.repeat(12_345));
    writeFileSync(scope.arrived('sub/.isocket-76543210-other.part'), 'xy');
    for (const name of ['file', 'sub/.isocket-76543210-other.part']) utimesSync(scope.arrived(name), 7, 7);
    symlinkSync('file', scope.arrived('link'));
    symlinkSync('sub', scope.arrived('linked'));
    const shallow = [
      { path: 'DC1/file', kind: 'file', size: 12_345, mtimeSeconds: 7 },
      ...(lacks.includes('links') ? [] : ['DC1/link other', 'DC1/linked other']),
      'DC1/sub folder',
    ];
    assert.deepEqual(shown(await tree(scope, 'DC1', false)), shallow);
    assert.deepEqual(shown(await tree(scope, 'DC1')), [
      ...shallow,
      { path: 'DC1/sub/.isocket-76543210-other.part', kind: 'file', size: 2, mtimeSeconds: 7 },
      ...(lacks.includes('folders') ? [] : ['DC1/sub/empty folder']),
    ]);
    assert.deepEqual(shown(await tree(scope, '', false)), ['DC1 folder']);
    assert.deepEqual(await tree(scope, 'not-there'), []);
    assert.deepEqual(await tree(scope, 'DC1/not-there/below'), []);
  });

  test('listTree: hostile names byte for byte, of folders too, and 1,100 files once each', async (scope) => {
    mkdirSync(scope.arrived('many'), { recursive: true });
    for (const name of names) {
      mkdirSync(scope.arrived(`in/${name}`), { recursive: true });
      writeFileSync(scope.arrived(`in/${name}/${name}`), '');
    }
    for (let index = 0; index < MANY_FILES; index += 1) writeFileSync(scope.arrived(`many/${index}`), '');
    const files = (await tree(scope, 'DC1')).filter(({ kind }) => kind === 'file').map(({ path }) => path);
    assert.deepEqual(
      files,
      [
        ...names.map((name) => `DC1/in/${name}/${name}`),
        ...Array.from({ length: MANY_FILES }, (_, index) => `DC1/many/${index}`),
      ].toSorted(),
    );
    const stop = new Error('stop');
    await assert.rejects(tree(scope, 'DC1', true, AbortSignal.abort(stop)), stop);
  });
};

const registerContent = (test: RegisterTest, lacks: readonly Lack[]): void => {
  const names = namesFor(lacks);
  test(`fetch: sizes ${SIZES.join(', ')}, with mtime and permission bits, and sums that are right`, async (scope) => {
    mkdirSync(scope.arrived('.'), { recursive: true });
    for (const size of SIZES) {
      writeFileSync(scope.arrived(`of-${size}`), contentOf(size));
      chmodSync(scope.arrived(`of-${size}`), 0o751);
      utimesSync(scope.arrived(`of-${size}`), 1_000_000_000, 1_000_000_000);
    }
    const files = await all(scope);
    const ends = await fetch(scope, files);
    for (const file of files) {
      const found = ends.get(file);
      assert.ok(found !== undefined && !(found instanceof TransportError), file.targetPath);
      const mode = lacks.includes('permissions') ? found.mode : 0o751;
      assert.deepEqual(found, { size: file.size, mtimeSeconds: 1_000_000_000, mode }, file.targetPath);
      assert.ok(file.content().equals(contentOf(file.size)), file.targetPath);
    }
    const sums = await scope.transport.sums?.(
      files.map(({ targetPath: path, size }) => ({ path, size })),
      scope.signal,
    );
    for (const file of files) {
      const sum = createHash('sha256').update(file.content()).digest('hex');
      assert.equal(sums?.get(file.targetPath) ?? sum, sum, file.targetPath);
    }
  });

  test('fetch: 1,100 files at once, and names that break code which does not treat them as bytes', async (scope) => {
    mkdirSync(scope.arrived('sub'), { recursive: true });
    for (let index = 0; index < MANY_FILES; index += 1)
      writeFileSync(scope.arrived(`file-${index}`), `content of ${index}`);
    for (const name of names) writeFileSync(scope.arrived(`sub/${name}`), Buffer.from(name));
    const files = await all(scope);
    const ends = await fetch(scope, files);
    assert.equal(ends.size, MANY_FILES + names.length);
    for (const file of files)
      assert.ok(file.content().equals(readFileSync(fsPath(`${scope.target.folder}/${file.targetPath}`))));
  });

  test('fetch: goes on behind what is here already, or brings the whole file', async (scope) => {
    mkdirSync(scope.arrived('.'), { recursive: true });
    const sizes = [10, 100_000, 9 * MIB];
    for (const size of sizes) writeFileSync(scope.arrived(`of-${size}`), contentOf(size));
    const files = await all(scope);
    for (const file of files) file.write(contentOf(file.size).subarray(0, file.size * 0.6));
    await fetch(scope, files);
    for (const file of files) assert.ok(file.content().equals(contentOf(file.size)), file.targetPath);
  });
};

const registerFailures = (test: RegisterTest, has: readonly string[]): void => {
  test('fetch: a file that is gone, or a folder or link now, fails alone; one that grew tells its size', async (scope) => {
    mkdirSync(scope.arrived('.'), { recursive: true });
    for (const name of ['gone', 'folder', 'grown', 'kept']) writeFileSync(scope.arrived(name), 'x'.repeat(100));
    const files = await all(scope);
    for (const name of ['gone', 'folder']) rmSync(scope.arrived(name));
    mkdirSync(scope.arrived('folder'));
    writeFileSync(scope.arrived('grown'), 'y'.repeat(200));
    const ends = await fetch(scope, files);
    const end = (name: Name): FetchedFile | TransportError | undefined =>
      ends.get(files.find(({ targetPath }) => targetPath === `DC1/${name}`) as ReceivedFile);
    const gone = end('gone');
    assert.ok(gone instanceof TransportError && gone.class === 'file', 'gone');
    assert.ok(end('folder') instanceof TransportError, 'folder');
    const grown = end('grown');
    assert.ok(grown !== undefined && !(grown instanceof TransportError) && grown.size === 200, 'grown');
    const kept = files.find(({ targetPath }) => targetPath === 'DC1/kept');
    assert.equal(kept?.content().toString(), 'x'.repeat(100));
  });

  test('fetch: an abort before or during it ends with the reason', async (scope) => {
    const stop = new Error('stop');
    mkdirSync(scope.arrived('.'), { recursive: true });
    writeFileSync(scope.arrived('big'), contentOf(9 * MIB));
    const files = await all(scope);
    await assert.rejects(fetch(scope, files, AbortSignal.abort(stop)), stop);
    const controller = new AbortController();
    const fetching = fetch(scope, files, controller.signal);
    setImmediate(() => controller.abort(stop));
    await assert.rejects(fetching, stop);
  });

  test('fetch and listTree: refused with `network` once it is disposed', async (scope) => {
    await scope.transport[Symbol.asyncDispose]();
    await expectRejected(tree(scope, 'DC1'), 'network');
    await expectRejected(fetch(scope, [receive({ path: 'DC1/x', kind: 'file', size: 1, mtimeSeconds: 1 })]), 'network');
  });

  if (!has.includes('connection')) return;
  test('fetch: a connection that is cut rejects with `network`, what was told is whole, and it goes on', async (scope) => {
    mkdirSync(scope.arrived('.'), { recursive: true });
    for (let index = 0; index < 40; index += 1) writeFileSync(scope.arrived(`file-${index}`), contentOf(300_000));
    const files = await all(scope);
    const ends: Ends = new Map();
    scope.target.cutAfter?.(2_000);
    await expectRejected(fetch(scope, files, scope.signal, ends), 'network');
    scope.target.cutAfter?.(Infinity);
    for (const file of files) if (ends.has(file)) assert.ok(file.content().equals(contentOf(300_000)), file.targetPath);
    const left = files.filter((file) => !ends.has(file));
    assert.ok(left.length > 0, 'some were cut');
    await fetch(scope, left);
    for (const file of files) assert.ok(file.content().equals(contentOf(300_000)), file.targetPath);
  });
};
