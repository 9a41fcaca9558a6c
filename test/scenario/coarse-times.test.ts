import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { check } from '../../src/cli/commands/check.ts';
import { scan } from '../../src/cli/commands/scan.ts';
import { verify } from '../../src/cli/commands/verify.ts';
import { judge, produce } from '../support/invariant.ts';
import { runCommand } from '../support/run-command.ts';
import { mountSick, type SickMount } from '../support/sick-mount.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

// A destination as FAT has it: one second in two, none of some names, no permissions.

const FILES = 40;
const SECOND = 1_700_000_001;
let folder: string;
let stack: AsyncDisposableStack;
let mount: SickMount;
let site: TestSite;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-coarse-'));
  stack = new AsyncDisposableStack();
});
afterEach(async () => {
  await stack.disposeAsync();
  rmSync(folder, { recursive: true, force: true });
});

const start = async (transport: string, names: 'fat' | 'fat, no chmod' = 'fat'): Promise<void> => {
  const server = stack.use(await startSshd(folder));
  mount = stack.use(await mountSick(`${folder}/behind`, server.folder, names));
  site = makeSite(folder, server, {
    destination: { transport },
    more: { send: { durable: true, retry: { first: '10ms', most: '50ms' } } },
  });
};

/** Even and odd seconds, whole ones and others. */
const fill = (directory: string): void => {
  for (let file = 0; file < FILES; file += 1) {
    const path = `${directory}/${file % 4 === 0 ? 'sub/' : ''}f${file}`;
    produce(site.root, path, 100 + file);
    utimesSync(`${site.root}/${path}`, SECOND, SECOND + file + (file % 3) / 3);
  }
};

const close = (directory: string): void => writeFileSync(`${site.root}/${directory}/finished.parse`, '');

describe.each(['sftp', 'rsync'])('by %s, to a file system that keeps one second in two', (transport) => {
  it('everything is sent once, found again, and told by check in one warning', { timeout: 60_000 }, async () => {
    await start(transport);
    const { config, root } = site;
    const checked = await runCommand(() => check({ config }));
    expect(checked.code, checked.said).toBe(0);
    expect(checked.said.match(/does not keep every second/g)).toHaveLength(1);

    fill('DC1');
    produce(root, 'DC1/big', 300_000);
    utimesSync(`${root}/DC1/big`, SECOND, SECOND);
    close('DC1');
    const sent = await runCommand(() => scan({ config, json: true }));
    expect(sent.code, sent.said).toBe(0);
    expect(sent.said).toContain(`"sent":${FILES + 1},`);
    expect(judge(root, mount.behind)).toMatchObject({ notThere: [], half: [], finished: 1, marked: FILES + 1 });
    // By content as well, where that is no run of its own.
    for (const checksum of transport === 'sftp' ? [false, true] : [false]) {
      const verified = await runCommand(() => verify([], { config, checksum }));
      expect(verified.code, verified.said).toBe(0);
    }
    // Marks that no record explains are asked for, and not sent again.
    rmSync(site.state, { recursive: true });
    rmSync(`${root}/DC1/finished.watch`);
    const again = await runCommand(() => scan({ config, json: true }));
    expect(again.code, again.said).toBe(0);
    expect(again.said).toMatch(/"sent":0,.*"finished":1/);
    // Another time is another one still.
    utimesSync(`${root}/DC1/f1`, SECOND, SECOND + 500);
    const touched = await runCommand(() => verify([], { config }));
    expect(touched.said).toMatch(/different DC1\/f1 at/);
    expect(touched.said).toContain('1 different');
    expect(readFileSync(`${mount.behind}/DC1/f2`)).toHaveLength(102);
  });

  it('names that it does not take are the trouble of those files alone', { timeout: 60_000 }, async () => {
    await start(transport);
    const { config, root } = site;
    fill('DC1');
    for (const name of ['a:b', 'q?', 'sub/star*']) {
      produce(root, `DC1/${name}`, 10);
      utimesSync(`${root}/DC1/${name}`, SECOND, SECOND);
    }
    close('DC1');
    fill('DC2');
    close('DC2');
    const { code, said } = await runCommand(() => scan({ config, verbose: true }));
    expect(code, said).toBe(3);
    const verdict = judge(root, mount.behind);
    expect(verdict).toMatchObject({ wronglyMarked: [], half: [], finished: 1, marked: 2 * FILES });
    expect(verdict.notThere.toSorted()).toEqual(['DC1/a:b', 'DC1/q?', 'DC1/sub/star*']);
    for (const name of ['a:b', 'q?', 'star*'])
      expect(said).toMatch(new RegExp(`${name.replace(/[?*]/, '\\$&')}.*rename it`));
  });
});

it.each(['sftp', 'rsync'])(
  'by %s a file system that refuses permissions gets files without them, and that is told',
  { timeout: 60_000 },
  async (transport) => {
    await start(transport, 'fat, no chmod');
    const { config, root } = site;
    const checked = await runCommand(() => check({ config }));
    expect(checked.code, checked.said).toBe(0);
    expect(checked.said).toMatch(/warning +permissions/);
    fill('DC1');
    close('DC1');
    const { code, said } = await runCommand(() => scan({ config }));
    expect(code, said).toBe(0);
    expect(said.match(/sets no permissions|permissions cannot be set/g)).toHaveLength(1);
    expect(judge(root, mount.behind)).toMatchObject({ notThere: [], half: [], finished: 1, marked: FILES });
  },
);
