import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { wholeSeconds, type ListedFile, type Name } from '../transport.ts';
import { NAMES } from './names.ts';
import { MANY_FILES, type Scope } from './scope.ts';
import type { RegisterTest } from './register.ts';

export const registerList = (test: RegisterTest, has: readonly string[]): void => {
  test(`has ${has.includes('list') ? 'a' : 'no'} list`, (scope) => {
    assert.equal(scope.transport.list !== undefined, has.includes('list'), 'as `has` says');
    return Promise.resolve();
  });
  if (!has.includes('list')) return;

  test('lists the regular files of one folder: names, sizes, mtimes, temporary ones too, and nothing else', async (scope) => {
    const files = [scope.outgoing('empty', 0), scope.outgoing('file', 12_345)];
    await Promise.all(files.map((file) => scope.transport.send(file, scope.signal)));
    for (const folder of ['folder', 'folder/inner']) mkdirSync(scope.arrived(folder));
    writeFileSync(scope.arrived('folder/below'), 'x');
    symlinkSync('file', scope.arrived('link'));
    symlinkSync('nowhere', scope.arrived('dangling'));
    writeFileSync(scope.arrived('.isocket-76543210-other.part'), 'xy');
    utimesSync(scope.arrived('.isocket-76543210-other.part'), 7, 7);
    const mtimeOf = (index: number): number => wholeSeconds(files[index]?.identity.mtimeNs ?? 0n);
    assert.deepEqual(await listed(scope, 'DC1'), [
      { name: '.isocket-76543210-other.part', size: 2, mtimeSeconds: 7 },
      { name: 'empty', size: 0, mtimeSeconds: mtimeOf(0) },
      { name: 'file', size: 12_345, mtimeSeconds: mtimeOf(1) },
    ]);
    assert.deepEqual(
      (await listed(scope, 'DC1/folder')).map(({ name }) => name),
      ['below'],
    );
    assert.deepEqual(await listed(scope, 'DC1/folder/inner'), []);
  });

  test('lists a folder that is not there as empty', async (scope) => {
    assert.deepEqual(await listed(scope, 'not-there'), []);
    assert.deepEqual(await listed(scope, 'not-there/below'), []);
  });

  test('lists hostile names byte for byte, and folders that have them', async (scope) => {
    mkdirSync(scope.arrived('.'), { recursive: true });
    for (const name of NAMES) writeFileSync(scope.arrived(name), '');
    assert.deepEqual(
      (await listed(scope, 'DC1')).map(({ name }) => name),
      [...NAMES].toSorted(),
    );
    for (const [index, name] of NAMES.entries()) {
      mkdirSync(scope.arrived(`in/${name}`), { recursive: true });
      writeFileSync(scope.arrived(`in/${name}/${index}`), '');
      assert.deepEqual(
        (await listed(scope, `DC1/in/${name}`)).map((file) => file.name),
        [String(index)],
      );
    }
  });

  test('lists 1,100 files once each, while it sends', async (scope) => {
    mkdirSync(scope.arrived('many'), { recursive: true });
    const names = Array.from({ length: MANY_FILES }, (_, index) => `file-${index}`);
    for (const name of names) writeFileSync(scope.arrived(`many/${name}`), '');
    const sending = scope.transport.send(scope.outgoing('big', 5_000_000), scope.signal);
    assert.deepEqual(
      (await listed(scope, 'DC1/many')).map(({ name }) => name),
      names.toSorted(),
    );
    await sending;
  });

  test('list: an abort before or during it ends with the reason', async (scope) => {
    const stop = new Error('stop');
    mkdirSync(scope.arrived('.'), { recursive: true });
    for (let index = 0; index < MANY_FILES; index += 1) writeFileSync(scope.arrived(`file-${index}`), '');
    await assert.rejects(listed(scope, 'DC1', AbortSignal.abort(stop)), stop);
    const controller = new AbortController();
    const listing = scope.transport.list?.('DC1', () => controller.abort(stop), controller.signal);
    await assert.rejects(listing ?? Promise.resolve(), stop);
  });
};

/** Sorted by name. */
const listed = async (scope: Scope, folder: Name, signal = scope.signal): Promise<ListedFile[]> => {
  const files: ListedFile[] = [];
  await scope.transport.list?.(folder, (file) => files.push(file), signal);
  return files.toSorted((a, b) => (a.name < b.name ? -1 : 1));
};
