import assert from 'node:assert/strict';
import { readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import type { Scope } from './scope.ts';
import type { Lack } from './lacks.ts';
import type { RegisterTest } from './register.ts';

export const registerReplace = (test: RegisterTest, lacks: readonly Lack[]): void => {
  test('makes missing parents, takes the same file twice, replaces a changed one', async (scope) => {
    const file = { ...scope.outgoing('file', 10), targetPath: 'DC1/a/b/c/file' };
    await scope.transport.send(file, scope.signal);
    await scope.transport.send(file, scope.signal);
    const changed = { ...scope.outgoing('file', 20), targetPath: file.targetPath };
    await scope.transport.send(changed, scope.signal);
    assert.ok(readFileSync(scope.arrived('a/b/c/file')).equals(readFileSync(`${scope.source}/file`)));
  });

  test('replaces what is there even where size and mtime are the same', async (scope) => {
    const file = scope.outgoing('file', 1000);
    await scope.transport.send(file, scope.signal);
    writeFileSync(scope.arrived('file'), Buffer.alloc(1000));
    const seconds = Number(file.identity.mtimeNs) / 1e9;
    utimesSync(scope.arrived('file'), seconds, seconds);
    await scope.transport.send(file, scope.signal);
    scope.expectArrived('file');
  });

  test('makes a folder again that was removed in between', async (scope) => {
    await scope.transport.send(scope.outgoing('one', 10), scope.signal);
    rmSync(`${scope.target.folder}/DC1`, { recursive: true });
    await scope.transport.send(scope.outgoing('two', 10), scope.signal);
    scope.expectArrived('two');
  });

  test('a reader of the final name never sees an incomplete file, and every other name is hidden, such as .isocket-….part', async (scope) => {
    const old = Buffer.alloc(100_000, 'o');
    await scope.transport.send(scope.outgoing('file', old), scope.signal);
    const fresh = Buffer.alloc(12 * 1024 * 1024, 'n');
    const file = scope.outgoing('file', fresh);
    await using reader = startReader(scope, [old, fresh], lacks.includes('replace'));
    await scope.transport.send(file, scope.signal);
    await reader.sawAgain();
    scope.expectArrived('file');
  });
};

/** Reads the final name again and again. @throws AssertionError when disposed, where it saw an incomplete file or a stray name */
const startReader = (scope: Scope, whole: readonly Buffer[], mayBeGone: boolean) => {
  let reads = 0;
  const over = new AbortController();
  const watching = (async (): Promise<void> => {
    while (!over.signal.aborted) {
      if (!mayBeGone || scope.isThere('file')) {
        const seen = readFileSync(scope.arrived('file'));
        assert.ok(
          whole.some((content) => content.equals(seen)),
          `an incomplete file of ${seen.length} bytes was seen`,
        );
      }
      const stray = scope
        .everything()
        .filter((path) => path !== 'DC1/file' && !path.split('/').some((name) => name.startsWith('.')));
      assert.deepEqual(stray, []);
      reads += 1;
      await turn();
    }
  })();
  watching.catch(() => undefined); // Reported when disposed.
  return {
    sawAgain: async (): Promise<void> => {
      const before = reads;
      while (reads === before) await Promise.race([turn(), watching]);
    },
    [Symbol.asyncDispose]: async (): Promise<void> => {
      over.abort();
      await watching;
    },
  };
};
