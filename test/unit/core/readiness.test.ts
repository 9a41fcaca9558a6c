import { describe, expect, it } from 'vitest';
import { heldBack } from '../../../src/core/readiness.ts';

describe('heldBack', () => {
  const quiet = { closedByParser: false, quietMs: 2000, writer: undefined };
  it.each([
    ['quiet for long enough', quiet, undefined],
    ['changed a moment ago', { ...quiet, quietMs: 1 }, { kind: 'settling', secondsLeft: 2 }],
    ['changed a moment ago, but the parser is done', { ...quiet, quietMs: 1, closedByParser: true }, undefined],
    ['changed in the future: the clock was set back', { ...quiet, quietMs: -3_600_000 }, undefined],
    ['changed within the grain of the clock', { ...quiet, quietMs: -4 }, { kind: 'settling', secondsLeft: 3 }],
    ['somebody writes it', { ...quiet, writer: 7 }, { kind: 'open-for-writing', pid: 7 }],
    [
      'somebody writes it, although the parser is done',
      { ...quiet, closedByParser: true, writer: 7 },
      { kind: 'open-for-writing', pid: 7 },
    ],
  ] as const)('%s', (_title, file, reason) => {
    expect(heldBack(file, 2000)).toEqual(reason);
  });
});
