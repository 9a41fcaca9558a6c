import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { SiteStatus } from '../../src/status/site-status.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { isFinished, parser } from '../support/parser.ts';
import { startPingServer } from '../support/ping-server.ts';
import { startProxy } from '../support/proxy.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type SiteOptions, type TestSite } from '../support/site.ts';
import { through } from '../support/through.ts';
import { unmarked } from '../support/trees.ts';

let folder: string;
let server: TestServer;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-named-'));
  server = await startOwnReceiver(folder);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const siteWith = (options: SiteOptions = {}): TestSite => {
  const site = makeSite(folder, server, options);
  for (const name of ['DC1', 'DC2', 'DC3']) parser(site.root).writeFiles(name, 2);
  parser(site.root).closeDirectory('DC1');
  return site;
};

describe('scan DIR…', () => {
  it('sends and finishes what is named, by the rules for all, and nothing else', async () => {
    const site = siteWith();
    // From here, from the root, with a slash.
    expect((await site.run(['scan', 'DC1/', `${site.root}/DC3`, '--json'])).summary).toMatchObject({
      sent: 4,
      finished: 1,
    });
    expect([isFinished(site.root, 'DC1'), isFinished(site.root, 'DC3')]).toEqual([true, false]); // DC3 is the newest.
    expect(unmarked(`${site.root}/DC2`)).toHaveLength(2);
    // Superseded, as the newest of all says, though that is not named.
    expect((await site.run(['scan', 'DC2', '--json'])).summary).toMatchObject({ sent: 2, finished: 1 });
    expect((await site.scan()).summary).toMatchObject({ sent: 0, finished: 0 });
    expect((await site.run(['scan', 'DC1'])).stderr).toContain(
      'warning: DC1 is finished: nothing of it is sent; to send it again: isocket reset DC1',
    );
  });

  it('says before it begins that a directory is not there, and what would be sent of those named', async () => {
    const site = siteWith();
    for (const args of [
      ['scan', 'DC1', 'DC9'],
      ['scan', '--dry-run', 'DC9'],
      ['status', 'DC9'],
      ['scan', '/etc'],
    ]) {
      const { exitCode, stderr } = await site.run(args);
      expect([exitCode, stderr], args.join(' ')).toEqual([
        2,
        expect.stringMatching(
          /Cannot use "[^"]*": it is not a directory of the site below .*\n.*name an existing directory/,
        ),
      ]);
    }
    expect(unmarked(`${site.root}/DC1`)).toHaveLength(2);
    const { stdout } = await site.run(['scan', '--dry-run', 'DC2']);
    expect(stdout.split('\n').map((line) => /DC\d/.exec(line)?.[0])).toEqual(['DC2', 'DC2']);
  });

  it('does not say how the site is: no ping, and what failed elsewhere stays', async () => {
    await using proxy = await startProxy(server.port);
    await using pings = await startPingServer();
    const site = siteWith({
      destination: through(folder, server, proxy.port),
      more: { hooks: { ping: pings.url }, send: { durable: false, retry: { first: '10ms', most: '20ms', hold: 1 } } },
    });
    writeFileSync(`${server.folder}/DC2`, 'in the way');
    expect((await site.scan()).exitCode).toBe(3);
    pings.asked.length = 0;
    expect((await site.run(['scan', 'DC3'])).exitCode).toBe(0);
    expect(pings.asked).toEqual([]);
    const failedIn = async (...args: string[]) => {
      const { stdout } = await site.run(['status', '--json', ...args]);
      return (JSON.parse(stdout) as SiteStatus).lastFailures?.files.map(({ path }) => path.split('/')[0]);
    };
    expect(new Set(await failedIn())).toEqual(new Set(['DC2']));
    expect(await failedIn('DC3')).toBeUndefined();
  });
});

it('status DIR… shows those alone', async () => {
  const site = siteWith();
  const { stdout, exitCode } = await site.run(['status', 'DC2', 'DC1', '--json']);
  const status = JSON.parse(stdout) as SiteStatus;
  expect([exitCode, status.directories.map(({ name }) => name), status.totals.files]).toEqual([0, ['DC1', 'DC2'], 4]);
});

describe('status --check', () => {
  const check = async (site: TestSite, ...args: string[]): Promise<[number | undefined, string]> => {
    const { exitCode, stdout, stderr } = await site.run(['status', '--check', ...args]);
    expect(stderr).toBe('');
    return [exitCode, stdout];
  };

  it('is a plug-in for Nagios: one line, figures, and its exit codes', async () => {
    const site = siteWith();
    expect(await check(site)).toEqual([
      0,
      expect.stringMatching(
        /^ISOCKET OK - site: 6 unsent files \(5\.86 KiB\), the oldest for .* \| oldest=\d+s;3600;86400;0 unsent=6;;;0 /,
      ),
    ]);
    expect(await check(site, '--warn', '0s')).toEqual([1, expect.stringMatching(/^ISOCKET WARNING - /)]);
    expect(await check(site, '--warn', '0s', '--crit', '0s')).toEqual([
      2,
      expect.stringMatching(/^ISOCKET CRITICAL - /),
    ]);
    expect((await site.scan()).exitCode).toBe(0);
    expect(await check(site, '--warn', '0s')).toEqual([
      0,
      expect.stringMatching(/^ISOCKET OK - site: 6 files, all sent \| /),
    ]);
    expect(await check(site, '--json')).toEqual([0, expect.stringMatching(/^\{"type":"check","state":"OK",/)]);
    rmSync(site.root, { recursive: true });
    expect(await check(site)).toEqual([
      2,
      expect.stringMatching(/^ISOCKET CRITICAL - Cannot read source\.root .* it is not there; create it/),
    ]);
  });

  it('what it cannot know is UNKNOWN', async () => {
    const site = siteWith();
    expect(await check(site, '--warn', 'soon')).toEqual([
      3,
      'ISOCKET UNKNOWN - --warn "soon" is no duration, such as 30m or 12h',
    ]);
    expect(await check(site, '--warn', '2d')).toEqual([0, expect.stringContaining('oldest=')]);
    expect(await check(site, '--crit', '30m')).toEqual([0, expect.stringContaining('s;1800;1800;0 ')]);
    expect(await check(site, '--warn', '2h', '--crit', '1h')).toEqual([
      3,
      expect.stringContaining('--warn is more than --crit'),
    ]);
    expect((await check(site, '--watch'))[0]).toBe(3);
    expect(await check(site, 'DC9')).toEqual([3, expect.stringContaining('UNKNOWN - Cannot use "DC9"')]);
    expect((await site.run(['status', '--warn', '1h'])).exitCode).toBe(2);
    writeFileSync(site.config, '{"sit": 1}');
    const [code, line] = await check(site);
    expect([code, line.split('\n').length, line]).toEqual([
      3,
      1,
      expect.stringMatching(/^ISOCKET UNKNOWN - Cannot use .*: 3 problems /),
    ]);
  });
});
