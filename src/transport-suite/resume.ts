import assert from 'node:assert/strict';
import { readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { expectRejected, until } from './scope.ts';
import type { RegisterTest } from './register.ts';

const MIB = 1024 * 1024;

export const registerResume = (test: RegisterTest): void => {
  test('resumes a big file that was cut off, and never shows it incomplete', async (scope) => {
    const bytes = 16 * MIB;
    const file = scope.outgoing('big', bytes);
    scope.target.cutAfter?.(bytes * 0.6);
    await expectRejected(scope.transport.send(file, scope.signal), 'network');
    assert.equal(scope.isThere('big'), false);
    await until('a temporary file is kept', () => scope.temporaries().length === 1);
    // Below this limit the rest fits, but not the whole file: a restart from the beginning would be cut again.
    scope.target.cutAfter?.(bytes * 0.8);
    await scope.transport.send(file, scope.signal);
    scope.target.cutAfter?.(Infinity);
    scope.expectArrived('big');
    assert.deepEqual(scope.temporaries(), []);
  });

  test('does not trust a temporary file whose content is not ours', async (scope) => {
    const bytes = 9 * MIB;
    const file = scope.outgoing('big', bytes);
    scope.target.cutAfter?.(bytes / 2);
    await expectRejected(scope.transport.send(file, scope.signal), 'network');
    await until('a temporary file is kept', () => scope.temporaries().length === 1);
    const temporary = `${scope.target.folder}${scope.temporaries()[0] ?? ''}`;
    const content = readFileSync(temporary);
    content.fill(0, content.length / 4, content.length / 2);
    writeFileSync(temporary, content);
    await scope.transport.send(file, scope.signal);
    scope.expectArrived('big');
  });

  test('sends a big file as it is now, if it changed between two attempts and its mtime was set back', async (scope) => {
    const bytes = 16 * MIB;
    const before = 1_700_000_000;
    scope.outgoing('big', bytes);
    utimesSync(scope.sourcePath('big'), before, before);
    scope.target.cutAfter?.(bytes * 0.6);
    await expectRejected(scope.transport.send(scope.describe('big'), scope.signal), 'network');
    await until('a temporary file is kept', () => scope.temporaries().length === 1);
    scope.target.cutAfter?.(Infinity);
    scope.outgoing('big', bytes);
    utimesSync(scope.sourcePath('big'), before, before);
    await scope.transport.send(scope.describe('big'), scope.signal);
    scope.expectArrived('big');
  });

  test('tidies the temporary file of a file that will never be sent again', async (scope) => {
    const file = scope.outgoing('big', 9 * MIB);
    scope.target.cutAfter?.(5 * MIB);
    await expectRejected(scope.transport.send(file, scope.signal), 'network');
    await until('a temporary file is kept', () => scope.temporaries().length === 1);
    await scope.transport.tidy(['DC1'], scope.signal);
    assert.deepEqual(scope.everything(), []);
  });
};
