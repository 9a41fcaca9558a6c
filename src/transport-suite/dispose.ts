import { expectClass, expected, expectRejected } from './scope.ts';
import type { RegisterTest } from './register.ts';

export const registerDispose = (test: RegisterTest): void => {
  test('can be disposed twice, and refuses every call after', async (scope) => {
    await scope.transport.send(scope.outgoing('file', 10), scope.signal);
    await scope.transport[Symbol.asyncDispose]();
    await scope.transport[Symbol.asyncDispose]();
    const { transport, signal } = scope;
    const file = scope.outgoing('file', 10);
    await expectRejected(transport.send(file, signal), 'network');
    await expectRejected(transport.verify([expected(file)], { checksum: false }, signal), 'network');
    await expectRejected(transport.tidy(['DC1'], signal), 'network');
    if (transport.list !== undefined)
      await expectRejected(
        transport.list('DC1', () => undefined, signal),
        'network',
      );
  });

  test('can be disposed before it was used, and while it sends: every send ends', async (scope) => {
    await scope.keep(scope.target.connect(scope.context()))[Symbol.asyncDispose]();
    const transport = scope.keep(scope.target.connect(scope.context()));
    const sends = Array.from({ length: 20 }, (_, index) =>
      transport.send(scope.outgoing(`file-${index}`, 1_000_000), scope.signal),
    );
    const outcomes = Promise.allSettled(sends);
    await new Promise(setImmediate);
    await transport[Symbol.asyncDispose]();
    for (const outcome of await outcomes) if (outcome.status === 'rejected') expectClass(outcome.reason, 'network');
  });
};
