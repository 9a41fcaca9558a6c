import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { RegisterTest } from './register.ts';

const SIZE = 24 * 1024 * 1024;
const BYTES_A_SECOND = 16 * 1024 * 1024;
const LOOK_EVERY_MS = 50;

export const registerUnderWay = (test: RegisterTest): void =>
  test('tells how far a big file is, where it tells it, and nothing once it is sent', async (scope) => {
    const transport = scope.keep(scope.target.connect(scope.context({ bandwidth: BYTES_A_SECOND })));
    const { underWay } = transport;
    if (underWay === undefined) return;
    const file = scope.outgoing('big', SIZE);
    const sent = new AbortController();
    const send = transport.send(file, scope.signal).finally(() => sent.abort());
    const seen: number[] = [];
    while (!sent.signal.aborted) {
      const bytes = underWay().get(file.targetPath);
      if (bytes !== undefined) seen.push(bytes);
      await delay(LOOK_EVERY_MS);
    }
    await send;
    assert.deepEqual(
      seen,
      seen.toSorted((a, b) => a - b),
    );
    assert.ok(
      seen.some((bytes) => bytes > 0 && bytes < SIZE),
      `told ${seen.join(', ')}`,
    );
    assert.ok(seen.every((bytes) => bytes <= SIZE));
    assert.equal(underWay().size, 0);
  });
