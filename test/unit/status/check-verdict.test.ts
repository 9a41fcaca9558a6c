import { describe, expect, it } from 'vitest';
import { checkLine, checkVerdict } from '../../../src/status/check-verdict.ts';
import { siteStatus, type DirectoryStatus, type SiteStatus } from '../../../src/status/site-status.ts';

const directory = (more: Partial<DirectoryStatus>): DirectoryStatus => ({
  name: 'DC1',
  phase: 'open',
  closedBy: null,
  files: 10,
  bytes: 1000,
  sent: 10,
  sentBytes: 1000,
  held: 0,
  skipped: 0,
  oldestUnsentSeconds: null,
  excluded: 0,
  late: false,
  ...more,
});
const site = (more: Partial<DirectoryStatus>, problems: readonly string[] = []): SiteStatus => ({
  ...siteStatus({ site: 'ED1', root: '/datas' }, [directory(more)], undefined),
  problems,
});
const limits = { warnSeconds: 3600, critSeconds: 86_400 };
const unsent = (seconds: number): Partial<DirectoryStatus> => ({
  sent: 8,
  sentBytes: 500,
  oldestUnsentSeconds: seconds,
});

describe('status --check', () => {
  it.each([
    [
      'all sent',
      site({}),
      'ISOCKET OK - ED1: 10 files, all sent | oldest=0s;3600;86400;0 unsent=0;;;0 unsent_bytes=0B;;;0 held=0;;;0 files=10;;;0',
    ],
    [
      'something young',
      site(unsent(60)),
      'ISOCKET OK - ED1: 2 unsent files (500 B), the oldest for 1 m 0 s | oldest=60s;3600;86400;0 unsent=2;;;0 unsent_bytes=500B;;;0 held=0;;;0 files=10;;;0',
    ],
    ['something old', site(unsent(3600)), /^ISOCKET WARNING - ED1: 2 unsent files .* for 1 h 0 m \| oldest=3600s;/],
    ['something very old', site(unsent(90_000)), /^ISOCKET CRITICAL - ED1: 2 unsent files .* for 1 d 1 h \| /],
    [
      'a problem',
      site(unsent(60), ['d is down: a|b\nc']),
      /^ISOCKET WARNING - ED1: .* for 1 m 0 s; d is down: a¦b c \| oldest/,
    ],
    ['a problem, and all sent', site({}, ['x']), /^ISOCKET WARNING - ED1: 10 files, all sent; x \| /],
    ['many problems', site({}, ['a', 'b', 'c', 'd', 'e']), /; a; b; c; and 2 more \| /],
  ])('%s', (_what, status, line) => {
    const shown = checkLine(checkVerdict(status, limits));
    if (typeof line === 'string') expect(shown).toBe(line);
    else expect(shown).toMatch(line);
    expect(shown.split('\n')).toHaveLength(1);
  });

  it('has no figures where nothing is known', () => {
    expect(checkLine({ state: 'UNKNOWN', message: 'no configuration', perfdata: '' })).toBe(
      'ISOCKET UNKNOWN - no configuration',
    );
  });
});
