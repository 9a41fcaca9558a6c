import { expectClass, expectRejected } from './scope.ts';
import type { RegisterTest } from './register.ts';

export const registerDispose = (test: RegisterTest): void => {
  test('can be disposed twice, and refuses to send after', async (scope) => {
    await scope.transport.send(scope.outgoing('file', 10), scope.signal);
    await scope.transport[Symbol.asyncDispose]();
    await scope.transport[Symbol.asyncDispose]();
    await expectRejected(scope.transport.send(scope.outgoing('file', 10), scope.signal), 'network');
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
