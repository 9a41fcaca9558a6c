import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { MANY_FILES, expected } from './scope.ts';
import type { RegisterTest } from './register.ts';

export const registerCrowd = (test: RegisterTest): void => {
  test('takes 1,100 sends at once, whatever `inFlight` says', async (scope) => {
    const files = Array.from({ length: MANY_FILES }, (_, index) => scope.outgoing(`file-${index}`, 100));
    await Promise.all(files.map((file) => scope.transport.send(file, scope.signal)));
    assert.equal(readdirSync(`${scope.target.folder}/DC1`).length, MANY_FILES);
    for (const index of [0, 600, 1099]) scope.expectArrived(`file-${index}`);
    assert.deepEqual(await scope.transport.verify(files.map(expected), { checksum: false }, scope.signal), []);
  });

  test('confirms 199 of 200 where one is bad, each on its own', async (scope) => {
    // A non-empty directory cannot be replaced by a file.
    mkdirSync(scope.arrived('file-77'), { recursive: true });
    writeFileSync(scope.arrived('file-77/something'), '');
    const outcomes = await Promise.allSettled(
      Array.from({ length: 200 }, (_, index) =>
        scope.transport.send(scope.outgoing(`file-${index}`, 1000), scope.signal),
      ),
    );
    assert.deepEqual(
      outcomes.flatMap((outcome, index) =>
        outcome.status === 'rejected' ? [[index, errorClassOf(outcome.reason)]] : [],
      ),
      [[77, 'file']],
    );
    for (let index = 0; index < 200; index += 1) if (index !== 77) scope.expectArrived(`file-${index}`);
    assert.deepEqual(scope.temporaries(), []);
  });

  test('verifies while it sends', async (scope) => {
    // Slow enough that verify runs while it is sent.
    const transport = scope.keep(scope.target.connect(scope.context({ bandwidth: 3_000_000 })));
    const first = scope.outgoing('first', 1000);
    await transport.send(first, scope.signal);
    const big = scope.outgoing('big', 5_000_000);
    const sending = transport.send(big, scope.signal);
    assert.deepEqual(await transport.verify([expected(first)], { checksum: false }, scope.signal), []);
    await sending;
    assert.deepEqual(await transport.verify([first, big].map(expected), { checksum: true }, scope.signal), []);
  });

  test('keeps to the bandwidth, all files together', async (scope) => {
    const transport = scope.keep(scope.target.connect(scope.context({ bandwidth: 2_000_000 })));
    await transport.send(scope.outgoing('first', 10), scope.signal);
    const startedMs = performance.now();
    await Promise.all(
      Array.from({ length: 4 }, (_, index) => transport.send(scope.outgoing(`file-${index}`, 1_000_000), scope.signal)),
    );
    const ms = performance.now() - startedMs;
    assert.ok(ms > 1_200, `4 MB at 2 MB/s took ${Math.round(ms)} ms`);
  });

  test('takes two sends to one name at once', async (scope) => {
    const file = scope.outgoing('file', 1000);
    await Promise.all([scope.transport.send(file, scope.signal), scope.transport.send(file, scope.signal)]);
    scope.expectArrived('file');
  });
};

const errorClassOf = (error: unknown): unknown =>
  typeof error === 'object' && error !== null && 'class' in error ? error.class : error;
