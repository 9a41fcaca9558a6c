import { describe, expect, it } from 'vitest';
import type { AlertsConfig } from '../../../../src/config/config.ts';
import type { SiteFacts } from '../../../../src/status/notify/conditions.ts';
import { decide, isWell, keyOf, told, type AlertState } from '../../../../src/status/notify/decide.ts';
import { alertEvent } from '../../../../src/status/notify/messages.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const T0 = Date.UTC(2026, 10, 27);

const limits: AlertsConfig = {
  unsentMs: HOUR,
  downMs: 15 * MINUTE,
  successMs: 24 * HOUR,
  held: true,
  late: true,
  silentMs: HOUR,
  umask: true,
};
const never: AlertsConfig = {
  unsentMs: null,
  downMs: null,
  successMs: null,
  held: false,
  late: false,
  silentMs: null,
  umask: false,
};
const well: SiteFacts = { down: [], held: [], late: [], bornMarked: [], isWhole: true };
const begin: AlertState = { wholeMs: T0, downMs: new Map(), raised: [] };

const refused = [{ destination: 'nas', message: 'it refuses the key', refused: true }];
const down = [{ destination: 'nas', message: 'connection refused', refused: false }];
const held = [{ directory: 'DC1', count: 3, first: 'DC1/a', reason: 'permission denied' }];
const unsent = { path: 'DC1/a', sinceMs: T0 - 2 * HOUR };

/** Looks at these times, each notice given at once: what was told, as "kind state". */
const tellings = (
  looks: readonly (readonly [atMs: number, facts: Partial<SiteFacts>])[],
  { alerts = limits, given = true }: { alerts?: AlertsConfig; given?: boolean } = {},
): string[][] => {
  let state = begin;
  return looks.map(([atMs, facts]) => {
    const decision = decide(state, { ...well, ...facts }, alerts, T0 + atMs);
    ({ state } = decision);
    if (given) for (const notice of decision.notices) state = told(state, notice);
    return decision.notices.map((notice) => `${notice.kind} ${notice.state}`);
  });
};

describe('one notice a condition, and one when it is over', () => {
  it('of a destination that refuses us, then shuts us out, and refuses again, without end', () => {
    // As fail2ban has it: whoever is refused too often is not let in for a while.
    const days = Array.from({ length: 20 }, (_, at): [number, Partial<SiteFacts>] => [
      at * 20 * MINUTE,
      { down: at % 2 === 0 ? refused : down, isWhole: false },
    ]);
    const told = tellings([...days, [7 * HOUR, {}]]).filter((notices) => notices.length > 0);
    expect(told).toEqual([['refused raised'], ['down raised'], ['refused over', 'down over']]);
  });

  it.each<[string, Partial<SiteFacts>, string]>([
    ['a root that is away', { root: 'Cannot read the root', isWhole: false }, 'root'],
    ['a destination that refuses us', { down: refused, isWhole: false }, 'refused'],
    ['held files', { held, isWhole: false }, 'held'],
    ['an old unsent file', { oldestUnsent: unsent, isWhole: false }, 'unsent'],
    ['a late directory', { late: ['DC1'] }, 'late'],
    ['files that are born with the mark', { bornMarked: [{ directory: 'DC1', count: 3 }] }, 'umask'],
    ['a parser that is silent', { open: { directory: 'DC1', changedMs: T0 - 2 * HOUR } }, 'silent'],
  ])('%s', (_what, facts, kind) => {
    const looks = [
      [0, {}],
      [1, facts],
      [2, facts],
      [3, {}],
      [4, {}],
      [5, facts],
    ] as const;
    expect(tellings(looks)).toEqual([[], [`${kind} raised`], [], [`${kind} over`], [], [`${kind} raised`]]);
    expect(tellings(looks, { alerts: never }).flat()).toEqual(
      kind === 'root' ? ['root raised', 'root over', 'root raised'] : [],
    );
  });

  it.each<[string, Partial<SiteFacts>, string, number]>([
    ['a destination that is down', { down }, 'down', 0],
    ['one that refuses', { down: refused }, 'refused', 0],
    ['an old unsent file', { oldestUnsent: unsent }, 'unsent', -2 * HOUR],
    ['a parser that is silent', { open: { directory: 'DC1', changedMs: T0 - 2 * HOUR } }, 'silent', -2 * HOUR],
    ['not all sent for a day', {}, 'success', 0],
    ['held files, of which is known what is now', { held }, 'held', 0],
  ])('since when it holds, and not since when the limit was reached: %s', (_what, facts, kind, sinceMs) => {
    let state = begin;
    for (const ms of [0, 30 * HOUR])
      ({ state } = decide(state, { ...well, ...facts, isWhole: false }, limits, T0 + ms));
    expect(state.raised.find((one) => one.kind === kind)?.sinceMs).toBe(T0 + sinceMs);
  });

  it('files that are born with the mark are over when a later look meets files that are not, and not while nobody knows', () => {
    const looks = [
      [0, { bornMarked: [{ directory: 'DC1', count: 3 }] }],
      [1, { bornMarked: undefined }],
      [2, { bornMarked: [{ directory: 'DC2', count: 1 }] }],
      [3, { bornMarked: [] }],
    ] as const;
    expect(tellings(looks)).toEqual([['umask raised'], [], [], ['umask over']]);
  });

  it('a destination that is down: not before its limit, however often it is looked at', () => {
    const facts = { down, isWhole: false };
    const times = [0, 5, 14, 15, 20, 60].map((minutes) => [minutes * MINUTE, facts] as const);
    expect(tellings(times)).toEqual([[], [], [], ['down raised'], [], []]);
  });

  it('a destination that comes back within its limit begins anew', () => {
    const facts = { down, isWhole: false };
    const looks = [
      [0, facts],
      [10 * MINUTE, {}],
      [20 * MINUTE, facts],
      [30 * MINUTE, facts],
    ] as const;
    expect(tellings(looks).flat()).toEqual([]);
  });

  it('a destination that is down and then refuses is another trouble', () => {
    const looks = [
      [0, { down }],
      [15 * MINUTE, { down }],
      [16 * MINUTE, { down: refused }],
      [17 * MINUTE, {}],
    ] as const;
    expect(tellings(looks)).toEqual([[], ['down raised'], ['refused raised'], ['refused over', 'down over']]);
  });

  it('no success for so long: counted from the last look at which all was sent', () => {
    const facts = { isWhole: false };
    const looks = [
      [0, {}],
      [HOUR, facts],
      [23 * HOUR, facts],
      [24 * HOUR, facts],
      [25 * HOUR, facts],
      [26 * HOUR, {}],
    ] as const;
    expect(tellings(looks)).toEqual([[], [], [], ['success raised'], [], ['success over']]);
  });

  it('an unsent file at its limit, not before', () => {
    const file = { path: 'DC1/a', sinceMs: T0 };
    const looks = [
      [HOUR - 1, { oldestUnsent: file }],
      [HOUR, { oldestUnsent: file }],
    ] as const;
    expect(tellings(looks)).toEqual([[], ['unsent raised']]);
  });

  it('each directory is a condition of its own, and those of one look are one notice', () => {
    const late = (...names: string[]) => ({ late: names });
    expect(
      tellings([
        [0, late('DC1', 'DC2')],
        [1, late('DC1', 'DC2', 'DC3')],
        [2, late('DC3')],
      ]),
    ).toEqual([['late raised'], ['late raised'], ['late over']]);
  });
});

describe('what could not be told', () => {
  it('is told at the next look, and not told where it is over by then', () => {
    const facts = { held, isWhole: false };
    expect(
      tellings(
        [
          [0, facts],
          [1, facts],
          [2, {}],
          [3, {}],
        ],
        { given: false },
      ),
    ).toEqual([['held raised'], ['held raised'], [], []]);
  });

  it('but is just being told is told to be over', () => {
    const first = decide(begin, { ...well, held }, limits, T0);
    const giving = new Set(first.state.raised.map(keyOf));
    const second = decide(first.state, well, limits, T0 + 1, { inherited: new Set(), giving });
    expect(second.notices.map(({ state }) => state)).toEqual(['over']);
  });

  it('of its end is told again until it is told', () => {
    const first = decide(begin, { ...well, held }, limits, T0);
    const state = first.notices.reduce(told, first.state);
    const over = decide(decide(state, well, limits, T0 + 1).state, well, limits, T0 + 2);
    expect(over.notices.map((notice) => notice.state)).toEqual(['over']);
    expect(over.notices.reduce(told, over.state).raised).toEqual([]);
    // It is there again before anybody heard that it was over: nothing to tell.
    expect(decide(over.state, { ...well, held }, limits, T0 + 3).notices).toEqual([]);
  });
});

describe('what this process cannot know to be over', () => {
  const raised = ((): AlertState => {
    const first = decide(begin, { ...well, held }, limits, T0);
    return first.notices.reduce(told, first.state);
  })();

  it('is kept: after a restart, before it was met', () => {
    const inherited = new Set(raised.raised.map(keyOf));
    expect(decide(raised, well, limits, T0, { inherited, giving: new Set() }).notices).toEqual([]);
    expect(decide(raised, well, limits, T0).notices).toHaveLength(1);
  });

  it('is kept: held files while their destination is down, or the root away', () => {
    expect(decide(raised, { ...well, down }, limits, T0).notices).toEqual([]);
    const away = decide(raised, { ...well, root: 'away' }, limits, T0);
    expect(away.notices.map(({ kind, state }) => `${kind} ${state}`)).toEqual(['root raised']);
  });
});

it('a clock that was set back by a year keeps no limit from being reached', () => {
  const year = 365 * 24 * HOUR;
  const facts = { down, isWhole: false };
  const looks = [
    [0, facts],
    [-year, facts],
    [-year + 15 * MINUTE, facts],
    [-year + 24 * HOUR, facts],
  ] as const;
  expect(tellings(looks)).toEqual([[], [], ['down raised'], ['success raised']]);
});

it('late directories alone are no failure to send', () => {
  const stateWith = (facts: Partial<SiteFacts>) => decide(begin, { ...well, ...facts }, limits, T0).state;
  expect([{}, { late: ['DC1'] }, { held }, { down: refused }].map((facts) => isWell(stateWith(facts)))).toEqual([
    true,
    true,
    false,
    false,
  ]);
});

it('keeps no more than 500 of a kind, and names three', () => {
  const late = Array.from({ length: 2000 }, (_none, index) => `DC${index}`);
  const { state, notices } = decide(begin, { ...well, late }, limits, T0);
  expect(state.raised).toHaveLength(500);
  const [notice] = notices;
  const { message, subjects } = notice === undefined ? { message: '', subjects: [] } : alertEvent(notice);
  expect(message).toMatch(/^DC0 was [^;]*; [^;]*; DC1 was [^;]*; [^;]*; DC2 was [^;]*; [^;]*; and 497 more$/);
  expect(subjects).toHaveLength(500);
});
