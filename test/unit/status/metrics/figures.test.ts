import { describe, expect, it } from 'vitest';
import type { LiveReading } from '../../../../src/status/live/live-status.ts';
import { isWhole, liveFigures } from '../../../../src/status/metrics/figures.ts';

const none = { root: 0, refused: 0, down: 0, held: 0, unsent: 0, silent: 0, late: 0, umask: 0 };
const directory = (
  phase: string,
  files: number | null,
  sent: number | null,
  oldestUnsentSeconds: number | null = null,
) => ({
  phase,
  files,
  sent,
  oldestUnsentSeconds,
});
const reading = (
  directories: readonly object[],
  { problems = {}, held = 0, isAlive = true, isCounting = false } = {},
): LiveReading =>
  ({
    status: {
      directories,
      totals: { held },
      daemon: {
        isAlive,
        isCounting,
        backlog: { files: 1, bytes: 2 },
        activity: {
          connections: [
            { destination: 'a', state: 'up' },
            { destination: 'b', state: 'down' },
          ],
          eventsLost: 3,
          foundByRescan: 4,
        },
      },
    },
    reasons: [],
    problems: { ...none, ...problems },
  }) as unknown as LiveReading;

describe('nothing is left unsent that could be sent', () => {
  it.each([
    ['an open directory with files that are still written', reading([directory('open', 3, 1)]), true],
    ['a closed one with all sent', reading([directory('closed', 3, 3)]), true],
    ['a silent parser', reading([], { problems: { silent: 1, umask: 1, late: 1 } }), true],
    ['a closed one with a file left', reading([directory('closed', 3, 2)]), false],
    ['a destination that is down', reading([], { problems: { down: 1 } }), false],
    ['a root that is away', reading([], { problems: { root: 1 } }), false],
    ['a held file', reading([], { held: 1 }), false],
    ['not all is counted', reading([], { isCounting: true }), false],
    ['a daemon that does not get round', reading([], { isAlive: false }), false],
  ])('%s', (_what, one, whole) => {
    expect(isWhole(one)).toBe(whole);
  });
});

it('the figures of a daemon', () => {
  const directories = [directory('finished', null, null), directory('open', 3, 1, 70), directory('closed', 3, 1, 90)];
  expect(liveFigures(reading(directories, { held: 5 }))).toEqual({
    backlog: { files: 1, bytes: 2 },
    oldestUnsentSeconds: 90,
    heldFiles: 5,
    directories: { open: 1, closed: 1, finished: 1 },
    up: new Map([
      ['a', 1],
      ['b', 0],
    ]),
    watching: expect.objectContaining({ eventsLost: 3, foundByRescan: 4 }) as object,
    problems: none,
  });
});
