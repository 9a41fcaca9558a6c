import { expect, it } from 'vitest';
import { ConfigError } from '../../src/core/config-problems.ts';
import * as errors from '../../src/errors.ts';

const { TransportError, UserError } = errors;

// Another copy of isocket: the same module, evaluated once more.
const COPY: string = '../../src/errors.ts?copy';
const copy = (await import(COPY)) as typeof errors;

it('knows the errors of another copy of isocket', () => {
  expect(copy.UserError).not.toBe(UserError);
  expect(new copy.UserError('x') instanceof UserError).toBe(true);
  expect(new copy.TransportError('file', 'x') instanceof TransportError).toBe(true);
  expect(new copy.UserError('x') instanceof TransportError).toBe(false);
  expect(new copy.TransportError('file', 'x') instanceof UserError).toBe(false);
  for (const other of [new Error('x'), undefined, null, 'x', {}]) {
    expect(other instanceof UserError).toBe(false);
    expect(other instanceof TransportError).toBe(false);
  }
});

it('takes a subclass for the class above it, not the other way round', () => {
  const error = new ConfigError('rc', []);
  expect(error instanceof UserError).toBe(true);
  expect(error instanceof ConfigError).toBe(true);
  expect(new UserError('x') instanceof ConfigError).toBe(false);
  expect(new copy.UserError('x') instanceof ConfigError).toBe(false);
});

// What Node 24 gives where libuv has no name for a number of Linux.
it.each([
  [122, 'EDQUOT', 'disk quota exceeded'],
  [116, 'ESTALE', 'stale file handle'],
  [117, 'EUCLEAN', 'structure needs cleaning'],
  [28, 'ENOSPC', 'no space left on device'],
])('error %i of the system has its name, and words', (number, code, words) => {
  const error = errors.systemErrorOf(number, 'write');
  expect([errors.systemErrorCode(error), errors.plainMessage(error)]).toEqual([code, words]);
  expect(errors.isHostFailure(error)).toBe(true);
});
