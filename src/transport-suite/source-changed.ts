import assert from 'node:assert/strict';
import {
  appendFileSync,
  chmodSync,
  closeSync,
  fstatSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { expectClass, expectRejected, until } from './scope.ts';
import type { RegisterTest } from './register.ts';

const CHANGES: readonly (readonly [what: string, change: (path: string) => void])[] = [
  ['removed', (path) => rmSync(path)],
  ['grown', (path) => appendFileSync(path, 'x')],
  ['shrunk', (path) => truncateSync(path, 1)],
  ['touched', (path) => chmodSync(path, 0o600)],
  [
    'replaced by a link',
    (path) => {
      rmSync(path);
      symlinkSync('/etc/passwd', path);
    },
  ],
];

export const registerSourceChanged = (test: RegisterTest): void => {
  test(`source-changed: a source that was ${CHANGES.map(([what]) => what).join(', ')} since it was listed`, async (scope) => {
    const sends = [1000, 300_000, 3_000_000].flatMap((bytes) =>
      CHANGES.map(([what, change]) => {
        const file = scope.outgoing(`${what}-${bytes}`, bytes);
        change(file.sourcePath);
        return expectRejected(scope.transport.send(file, scope.signal), 'source-changed');
      }),
    );
    await Promise.all([...sends, scope.transport.send(scope.outgoing('good', 10), scope.signal)]);
    assert.deepEqual(scope.everything(), ['DC1/good']);
  });

  test('source-changed: a source that grows while it is sent, or the old content arrived whole', async (scope) => {
    // Slow enough to be changed under way, where the transport keeps to the limit.
    const transport = scope.keep(scope.target.connect(scope.context({ bandwidth: 3_000_000 })));
    const file = scope.outgoing('big', 6_000_000);
    const before = readFileSync(file.sourcePath);
    const sending = transport.send(file, scope.signal);
    const outcome = sending.then(
      () => 'arrived',
      (error: unknown) => error,
    );
    await Promise.race([outcome, until('it is under way', () => scope.everything().length > 0)]);
    appendFileSync(file.sourcePath, 'x');
    if ((await outcome) === 'arrived')
      assert.ok(readFileSync(scope.arrived('big')).equals(before), 'the old content, whole');
    else await expectRejected(sending, 'source-changed');
  });

  test('source-changed: a source that is written over while it is sent, its size and mtime kept, or the old content arrived whole', async (scope) => {
    const transport = scope.keep(scope.target.connect(scope.context({ bandwidth: 3_000_000 })));
    const file = scope.outgoing('big', Buffer.alloc(6_000_000, 'o'));
    const before = readFileSync(file.sourcePath);
    const outcome = transport.send(file, scope.signal).then(
      () => 'arrived',
      (error: unknown) => error,
    );
    await Promise.race([outcome, until('it is under way', () => scope.everything().length > 0)]);
    writeOver(scope.sourcePath('big'), Buffer.alloc(6_000_000, 'n'));
    const end = await outcome;
    if (end === 'arrived') assert.ok(readFileSync(scope.arrived('big')).equals(before), 'the old content, whole');
    else expectClass(end, 'source-changed');
  });
};

/** Writes over a file in place and sets its times back. */
const writeOver = (path: string | Buffer, content: Buffer): void => {
  const descriptor = openSync(path, 'r+');
  const { atimeMs, mtimeMs } = fstatSync(descriptor);
  writeSync(descriptor, content);
  closeSync(descriptor);
  utimesSync(path, atimeMs / 1000, mtimeMs / 1000);
};
