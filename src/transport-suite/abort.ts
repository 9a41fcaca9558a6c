import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { expectRejected, until } from './scope.ts';
import type { RegisterTest } from './register.ts';

export const registerAbort = (test: RegisterTest): void => {
  test('abort before: sends nothing', async (scope) => {
    const stop = new Error('stop');
    await assert.rejects(scope.transport.send(scope.outgoing('file', 10), AbortSignal.abort(stop)), stop);
    assert.deepEqual(scope.everything(), []);
  });

  test('abort during: ends with the reason, leaves no final name, and the others arrive', async (scope) => {
    await scope.transport.send(scope.outgoing('first', 10), scope.signal);
    const stop = new Error('stop');
    const controller = new AbortController();
    const sending = scope.transport.send(scope.outgoing('big', 32 * 1024 * 1024), controller.signal);
    const other = scope.transport.send(scope.outgoing('other', 100), scope.signal);
    setImmediate(() => controller.abort(stop));
    await assert.rejects(sending, stop);
    await other;
    scope.expectArrived('other');
    assert.equal(scope.isThere('big'), false);
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
    // What is left is a temporary file that a later send resumes.
    await scope.transport.send(scope.describe('big'), scope.signal);
    scope.expectArrived('big');
    await until('no temporary file is left', () => scope.temporaries().length === 0);
  });

  test('abort after: changes nothing, and no listener and no child process is left', async (scope) => {
    const before = children();
    const controller = new AbortController();
    const transport = scope.keep(scope.target.connect(scope.context()));
    await Promise.all(
      Array.from({ length: 50 }, (_, index) => transport.send(scope.outgoing(`file-${index}`, 100), controller.signal)),
    );
    assert.equal(getEventListeners(controller.signal, 'abort').length, 0);
    controller.abort(new Error('stop'));
    scope.expectArrived('file-7');
    await transport[Symbol.asyncDispose]();
    assert.deepEqual(
      [...children()].filter((pid) => !before.has(pid)),
      [],
    );
    await expectRejected(transport.send(scope.outgoing('late', 10), scope.signal), 'network');
  });
};

/** The process ids of our children. */
const children = (): Set<string> =>
  new Set(
    readdirSync('/proc/self/task').flatMap((thread) =>
      readFileSync(`/proc/self/task/${thread}/children`, 'latin1')
        .split(' ')
        .filter((pid) => pid !== ''),
    ),
  );
