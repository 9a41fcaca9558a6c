import { describe, expect, it } from 'vitest';
import { Troubles, type TroubleFacts } from '../../../../src/status/live/troubles.ts';

const NOW = Date.now();
const limits = {
  unsentMs: 3_600_000,
  downMs: 60_000,
  successMs: 1,
  held: true,
  late: true,
  silentMs: 60_000,
  umask: true,
};
const well: TroubleFacts = {
  overview: {
    root: undefined,
    failing: [],
    unsentIn: [],
    bornMarked: undefined,
    open: undefined,
    unfinishable: [],
    late: [],
  },
  unreadable: [],
  oldest: undefined,
  isAlive: true,
};
const lost = (kind: 'network' | 'auth') =>
  ({ type: 'connection', destination: 'd', state: 'lost', class: kind, message: 'no', retrying: true }) as const;

describe('what is wrong with a site', () => {
  it('nothing, where nothing is', () => {
    const troubles = new Troubles(limits);
    expect(troubles.reasons(well, NOW)).toEqual([]);
    expect(troubles.kinds(well, NOW)).toMatchObject({ root: 0, refused: 0, down: 0, held: 0, unsent: 0, late: 0 });
  });

  it('a destination that is down is a reason after its limit, and counted at once; one that refuses at once', () => {
    const troubles = new Troubles(limits);
    troubles.note(lost('network'));
    expect([troubles.reasons(well, Date.now()), troubles.kinds(well, Date.now()).down]).toEqual([[], 1]);
    expect(troubles.reasons(well, Date.now() + 61_000)).toEqual([expect.stringContaining('has been down for 1 m')]);
    troubles.note(lost('auth'));
    expect(troubles.reasons(well, Date.now())).toEqual(['d is down: no']);
    troubles.note({ ...lost('auth'), hint: 'mend it' });
    expect(troubles.reasons(well, Date.now())).toEqual(['d is down: no; mend it']);
    expect(troubles.kinds(well, Date.now())).toMatchObject({ down: 0, refused: 1 });
    troubles.note({ type: 'connection', destination: 'd', state: 'restored' });
    expect([troubles.reasons(well, Date.now()), troubles.down]).toEqual([[], []]);
  });

  it.each([
    ['root', { overview: { ...well.overview, root: 'it is not there' } }, ['it is not there']],
    [
      'held',
      { overview: { ...well.overview, failing: [{ path: 'DC1/a', reason: 'no', held: true }] } },
      ['DC1: 1 file could not be sent, first "DC1/a": no'],
    ],
    [
      'held',
      { overview: { ...well.overview, failing: [{ path: 'DC1/a', reason: 'no', hint: 'mend it', held: true }] } },
      ['DC1: 1 file could not be sent, first "DC1/a": no; mend it'],
    ],
    ['held', { unreadable: [{ path: 'DC1', reason: 'no' }] }, ['DC1 is not sent: no']],
    [
      'held',
      { overview: { ...well.overview, unfinishable: [{ directory: 'DC1', cure: 'rename it' }] } },
      ['DC1 cannot be finished: rename it'],
    ],
    [
      'unsent',
      { oldest: { path: 'DC1/a', sinceMs: NOW - 7_200_000 } },
      [expect.stringContaining('"DC1/a" has been unsent for 2 h')],
    ],
    [
      'silent',
      { overview: { ...well.overview, open: { directory: 'DC1', changedMs: NOW - 61_000 } } },
      [expect.stringContaining('DC1 is open, and nothing in it has changed for 1 m 1 s')],
    ],
    ['umask', { overview: { ...well.overview, bornMarked: [{ directory: 'DC1', count: 2 }] } }, []],
    ['late', { overview: { ...well.overview, late: ['DC1'] } }, []], // No failure to send.
  ])('%s', (kind, facts, reasons) => {
    const troubles = new Troubles(limits);
    expect(troubles.reasons({ ...well, ...facts }, NOW)).toEqual(reasons);
    expect(troubles.kinds({ ...well, ...facts }, NOW)[kind]).toBe(1);
  });

  it('a daemon that does not get round', () => {
    expect(new Troubles(limits).reasons({ ...well, isAlive: false }, NOW)).toEqual([
      expect.stringContaining('the daemon does not get round'),
    ]);
  });
});
