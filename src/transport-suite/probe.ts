import assert from 'node:assert/strict';
import { existsSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import type { ProbeResult, Transport } from '../transport.ts';
import type { Scope } from './scope.ts';
import type { Lack } from './lacks.ts';
import type { RegisterTest } from './register.ts';
import type { LoginFault } from './target.ts';

export const registerProbe = (test: RegisterTest, has: readonly string[], lacks: readonly Lack[]): void => {
  // It is told what cannot be compared.
  const assertHealthy = (results: readonly ProbeResult[]): void => {
    const warnings = lacks.includes('times') && lacks.includes('sums') ? 1 : 0;
    const found = results.filter(({ state }) => state !== 'ok');
    assert.ok(found.length === warnings && !found.some(isFailure), JSON.stringify(found));
  };
  test('probe: a healthy destination has only ok results, and nothing is left behind', async (scope) => {
    assertHealthy(await probe(scope));
    assert.deepEqual(readdirSync(scope.target.folder), []);
    const transport = scope.keep(scope.target.connect(scope.context({ durable: true })));
    await transport.send(scope.outgoing('file', 1000), scope.signal);
    assertHealthy(await probe(scope, transport));
    assert.deepEqual(scope.everything(), ['DC1/file']);
    scope.expectArrived('file');
  });

  test('probe: throws only on an abort, the reason, and leaves nothing behind', async (scope) => {
    const stop = new Error('stop');
    await assert.rejects(probe(scope, scope.transport, AbortSignal.abort(stop)), stop);
    const steps = (await probe(scope)).length;
    for (let step = 1; step < steps; step += 1) {
      const controller = new AbortController();
      const aborted = (async (): Promise<void> => {
        const results = scope.transport.probe(controller.signal)[Symbol.asyncIterator]();
        for (let seen = 0; (await results.next()).done !== true;) if ((seen += 1) === step) controller.abort(stop);
      })();
      await assert.rejects(aborted, stop, `after result ${step} of ${steps}`);
    }
    assertHealthy(await probe(scope)); // What an abort could not remove any more goes with the next one.
    assert.deepEqual(readdirSync(scope.target.folder), []);
  });

  test('probe: a destination whose folder is missing is a failure, or else nothing is left in it', async (scope) => {
    using stack = new DisposableStack();
    stack.use(hide(scope.target.folder));
    const results = await probe(scope);
    if (results.some(isFailure)) assertFailed(results);
    else if (existsSync(scope.target.folder)) assert.deepEqual(readdirSync(scope.target.folder), []);
  });

  if (has.includes('read-only')) {
    test('probe: a read-only destination is a failure', async (scope) => {
      await using stack = new AsyncDisposableStack();
      stack.use(await scope.target.makeReadOnly?.(scope.target.folder));
      assertFailed(await probe(scope));
      assert.deepEqual(readdirSync(scope.target.folder), []);
    });
  }

  if (has.includes('full')) {
    test('probe: a full destination is a failure, and nothing is left behind', async (scope) => {
      await using stack = new AsyncDisposableStack();
      stack.use(await scope.target.makeSmall?.(scope.target.folder));
      fill(`${scope.target.folder}/ballast`);
      assertFailed(await probe(scope));
      rmSync(`${scope.target.folder}/ballast`);
      assert.deepEqual(readdirSync(scope.target.folder), []);
    });
  }

  if (has.includes('login')) registerLogin(test);
};

const registerLogin = (test: RegisterTest): void => {
  for (const fault of ['refused port', 'wrong key', 'unknown host key', 'changed host key'] satisfies LoginFault[]) {
    test(`probe: ${fault} is a failure`, async (scope) => {
      const transport = scope.target.connectWrongly?.(fault, scope.context());
      if (transport === undefined) throw new Error('the target has no connectWrongly');
      assertFailed(await probe(scope, scope.keep(transport)));
    });
  }
};

/** All results, each with what every result must have. */
const probe = async (
  scope: Scope,
  transport: Transport = scope.transport,
  signal: AbortSignal = scope.signal,
): Promise<ProbeResult[]> => {
  const results: ProbeResult[] = [];
  for await (const result of transport.probe(signal)) {
    results.push(result);
    assert.match(result.what, /^\S/);
    assert.match(result.message, /^\S/);
    if (result.state !== 'ok') assert.match(result.hint ?? '', /^\S/, `"${result.message}" has a hint`);
  }
  assert.ok(results.length > 0, 'there are results');
  return results;
};

const isFailure = ({ state }: ProbeResult): boolean => state === 'failure';

const assertFailed = (results: readonly ProbeResult[]): void =>
  assert.ok(results.some(isFailure), `one of these is a failure: ${JSON.stringify(results)}`);

/** Moves a folder away until disposed. */
const hide = (folder: string): Disposable => {
  const hidden = `${folder}-hidden`;
  renameSync(folder, hidden);
  return {
    [Symbol.dispose]: () => {
      rmSync(folder, { recursive: true, force: true });
      renameSync(hidden, folder);
    },
  };
};

/** Writes a file until there is no space for another byte. */
const fill = (path: string): void => {
  for (const bytes of [64 * 1024, 1]) {
    try {
      for (;;) writeFileSync(path, Buffer.alloc(bytes), { flag: 'a' });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
    }
  }
};
