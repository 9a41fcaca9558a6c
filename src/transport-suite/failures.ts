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
  writeFileSync,
  writeSync,
} from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { expectClass, expectRejected, until, type Scope } from './scope.ts';
import type { RegisterTest } from './register.ts';
import type { LoginFault } from './target.ts';

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

const LOGIN_FAULTS: readonly (readonly [fault: LoginFault, errorClass: 'network' | 'auth'])[] = [
  ['refused port', 'network'],
  ['wrong key', 'auth'],
  ['unknown host key', 'auth'],
  ['changed host key', 'auth'],
];

export const registerFailures = (test: RegisterTest, has: readonly string[]): void => {
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

  test('file: a source that cannot be read', async (scope) => {
    await using unreadable = await makeUnreadable(scope);
    await expectRejected(scope.transport.send(scope.describe(unreadable.name), scope.signal), 'file');
    assert.equal(scope.isThere(unreadable.name), false);
  });

  if (has.includes('login')) {
    for (const [fault, errorClass] of LOGIN_FAULTS) {
      test(`${errorClass}: ${fault}`, async (scope) => {
        const transport = scope.target.connectWrongly?.(fault, scope.context());
        if (transport === undefined) throw new Error('the target has no connectWrongly');
        scope.keep(transport);
        await expectRejected(transport.send(scope.outgoing('file', 10), scope.signal), errorClass);
        assert.deepEqual(scope.everything(), []);
      });
    }
  }

  if (has.includes('full')) {
    test('destination-full: what does not fit, and sending works again when there is space', async (scope) => {
      await using stack = new AsyncDisposableStack();
      stack.use(await scope.target.makeSmall?.(scope.target.folder));
      await scope.transport.send(scope.outgoing('ballast', 600_000), scope.signal);
      await expectRejected(scope.transport.send(scope.outgoing('file', 900_000), scope.signal), 'destination-full');
      assert.equal(scope.isThere('file'), false);
      rmSync(scope.arrived('ballast'));
      await scope.transport.send(scope.describe('file'), scope.signal);
      scope.expectArrived('file');
    });
  }

  if (has.includes('read-only')) {
    test('a read-only destination: file or auth, never a final name, and a file that was there before does not count as sent', async (scope) => {
      const file = scope.outgoing('before', 1000);
      await scope.transport.send(file, scope.signal);
      writeFileSync(scope.arrived('before'), Buffer.alloc(1000));
      const seconds = Number(file.identity.mtimeNs) / 1e9;
      utimesSync(scope.arrived('before'), seconds, seconds);
      await using stack = new AsyncDisposableStack();
      stack.use(await scope.target.makeReadOnly?.(`${scope.target.folder}/DC1`));
      await expectRejected(scope.transport.send(scope.outgoing('file', 10), scope.signal), 'file', 'auth');
      await expectRejected(scope.transport.send(scope.outgoing('sub/file', 10), scope.signal), 'file', 'auth');
      await expectRejected(scope.transport.send(file, scope.signal), 'file', 'auth');
      assert.deepEqual(scope.everything(), ['DC1/before']);
    });
  }

  if (has.includes('connection')) {
    test('network: every send ends when the connection is cut, and the next one works again', async (scope) => {
      await scope.transport.send(scope.outgoing('first', 10), scope.signal);
      const files = Array.from({ length: 100 }, (_, index) => scope.outgoing(`file-${index}`, 200_000));
      scope.target.cutAfter?.(3_000_000);
      const outcomes = await Promise.allSettled(files.map((file) => scope.transport.send(file, scope.signal)));
      const failed = outcomes.filter((outcome) => outcome.status === 'rejected');
      assert.ok(failed.length > 0, 'some were cut');
      for (const { reason } of failed) expectClass(reason, 'network');
      outcomes.forEach(({ status }, index) => {
        if (status === 'fulfilled') scope.expectArrived(`file-${index}`);
      });
      await scope.transport.send(scope.outgoing('after', 10), scope.signal);
      scope.expectArrived('after');
      await until('what was cut is removed or kept as a temporary file', () =>
        scope.everything().every((path) => !/\/\.file-\d+\./.test(path)),
      );
    });
  }
};

/** Writes over a file in place and sets its times back. */
const writeOver = (path: string | Buffer, content: Buffer): void => {
  const descriptor = openSync(path, 'r+');
  const { atimeMs, mtimeMs } = fstatSync(descriptor);
  writeSync(descriptor, content);
  closeSync(descriptor);
  utimesSync(path, atimeMs / 1000, mtimeMs / 1000);
};

/** A file that even the superuser cannot read: nobody can open a socket. */
const makeUnreadable = async (scope: Scope): Promise<AsyncDisposable & { readonly name: string }> => {
  const name = 'unreadable';
  if (process.geteuid?.() !== 0) {
    scope.outgoing(name, 10);
    chmodSync(`${scope.source}/${name}`, 0);
    return { name, [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  const server = createServer().listen(`${scope.source}/${name}`);
  await once(server, 'listening');
  return {
    name,
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, 'close');
    },
  };
};
