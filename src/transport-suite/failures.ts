import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { expectClass, expectRejected, until, type Scope } from './scope.ts';
import type { RegisterTest } from './register.ts';
import type { LoginFault } from './target.ts';

const LOGIN_FAULTS: readonly (readonly [fault: LoginFault, errorClass: 'network' | 'auth'])[] = [
  ['refused port', 'network'],
  ['wrong key', 'auth'],
  ['unknown host key', 'auth'],
  ['changed host key', 'auth'],
];

export const registerFailures = (test: RegisterTest, has: readonly string[]): void => {
  test('file: a source that cannot be read', async (scope) => {
    await using unreadable = await makeUnreadable(scope);
    await expectRejected(scope.transport.send(scope.describe(unreadable.name), scope.signal), 'file');
    assert.equal(scope.isThere(unreadable.name), false);
  });

  if (has.includes('login')) registerLogin(test);
  if (has.includes('full')) registerFull(test);
  if (has.includes('read-only')) registerReadOnly(test);
  if (has.includes('connection')) registerCut(test);
};

const registerLogin = (test: RegisterTest): void => {
  for (const [fault, errorClass] of LOGIN_FAULTS) {
    test(`${errorClass}: ${fault}`, async (scope) => {
      const transport = scope.target.connectWrongly?.(fault, scope.context());
      if (transport === undefined) throw new Error('the target has no connectWrongly');
      scope.keep(transport);
      await expectRejected(transport.send(scope.outgoing('file', 10), scope.signal), errorClass);
      assert.deepEqual(scope.everything(), []);
    });
  }
};

const registerFull = (test: RegisterTest): void => {
  test('destination-full: what does not fit, and sending works again when there is space', async (scope) => {
    await using stack = new AsyncDisposableStack();
    stack.use(await scope.target.makeSmall?.(scope.target.folder));
    await scope.transport.send(scope.outgoing('ballast', 600_000), scope.signal);
    await expectRejected(
      scope.transport.send(scope.outgoing('file', 900_000), scope.signal),
      'destination-full',
      'file',
    );
    assert.equal(scope.isThere('file'), false);
    rmSync(scope.arrived('ballast'));
    await scope.transport.send(scope.describe('file'), scope.signal);
    scope.expectArrived('file');
  });
};

const registerReadOnly = (test: RegisterTest): void => {
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
};

const registerCut = (test: RegisterTest): void => {
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
