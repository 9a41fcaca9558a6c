import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { IsocketEvent } from '../../src/core/events.ts';
import { parser } from '../support/parser.ts';
import { scanHere } from '../support/proof.ts';
import { freePort } from '../support/ports.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

const FOLDER_TRANSPORT = new URL('../fixtures/folder-transport.mjs', import.meta.url).pathname;

let folder: string;
let site: TestSite;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-told-elsewhere-'));
  site = makeSite(folder, { port: 1, path: '/', identityFile: '/none', knownHosts: '/none' } as never);
  sendTo('there1');
});
afterEach(() => rmSync(folder, { recursive: true }));

const sendTo = (...names: readonly string[]): void => {
  const config = JSON.parse(readFileSync(site.config, 'utf8')) as object;
  const destination = names.map((name) => ({ transport: FOLDER_TRANSPORT, path: `${folder}/${name}` }));
  writeFileSync(site.config, JSON.stringify({ ...config, destination }));
};

const told = (events: readonly IsocketEvent[]): string[] =>
  events.flatMap((event) =>
    event.type === 'note' && event.message.includes('was finished before') ? [event.message] : [],
  );

it('a destination that is mistyped is told as that: nothing is to be sent anew', { timeout: 60_000 }, async () => {
  await using server = await startSshd(folder);
  const { port, identityFile, knownHosts, path } = server;
  const sendBySftp = (changed: object): void => {
    const config = JSON.parse(readFileSync(site.config, 'utf8')) as object;
    const destination = { transport: 'sftp', host: '127.0.0.1', port, user: 'root', path, identityFile, knownHosts };
    writeFileSync(site.config, JSON.stringify({ ...config, destination: { ...destination, ...changed } }));
  };
  const { writeFiles, closeDirectory } = parser(site.root);
  sendBySftp({});
  writeFiles('DC1', 2);
  closeDirectory('DC1');
  expect((await scanHere(site.config)).summary).toMatchObject({ finished: 1 });
  sendBySftp({ port: await freePort() });
  const { events } = await scanHere(site.config);
  expect(told(events)).toEqual([]);
  expect(JSON.stringify(events)).toContain('nothing listens there');
  const checked = await site.run(['check']);
  expect(checked.stdout).toContain('nothing listens there');
  expect(checked.stdout).not.toContain('isocket reset');
  // Another folder of the same host is told, and once.
  sendBySftp({ path: `${path}/other` });
  expect(told((await scanHere(site.config)).events)).toHaveLength(1);
});

it(
  'a directory that was finished for other destinations is told, once by scan and daemon, with the cure',
  { timeout: 120_000 },
  async () => {
    const { writeFiles, closeDirectory } = parser(site.root);
    for (const name of ['DC1', 'DC2']) {
      writeFiles(name, 2);
      closeDirectory(name);
    }
    const first = await scanHere(site.config);
    expect([first.summary.finished, told(first.events)]).toEqual([2, []]);

    sendTo('there1', 'there2');
    const warning = (name: string, cure = `fill .*/there2 ${name}`): unknown =>
      expect.stringMatching(
        new RegExp(`^${name} was finished before .*/there2 was a destination.*: isocket .*${cure}$`),
      );
    expect(told((await scanHere(site.config)).events)).toEqual([warning('DC1'), warning('DC2')]);
    expect(told((await scanHere(site.config)).events)).toEqual([]);

    // Who asks by hand is told each time.
    expect((await site.run(['status'])).stdout).toMatch(
      /FINISHED WITHOUT .*there2; to send it there: isocket fill .*there2 DC1/,
    );
    expect((await site.run(['check'])).stdout).toMatch(
      /other destination.*there2.*DC1, DC2.*isocket fill .*there2 DC1 DC2/s,
    );

    expect((await site.run(['reset', 'DC1'])).exitCode).toBe(0);
    expect((await scanHere(site.config)).summary).toMatchObject({ finished: 1 });
    expect(existsSync(`${folder}/there2/DC1/file-2`)).toBe(true);
    sendTo('there2');
    await using daemon = site.start(['daemon']);
    await daemon.event((event) => told([event]).length > 0);
    // No destination of today has it: there is nothing that could vouch for it.
    expect(told(daemon.events)).toEqual([warning('DC2', 'reset DC2')]);
  },
);

it('a directory that another site on the same root has finished is told as that, with the way that ends it', async () => {
  const { writeFiles, closeDirectory } = parser(site.root);
  writeFiles('DC1', 2);
  closeDirectory('DC1');
  expect((await scanHere(site.config)).summary).toMatchObject({ finished: 1 });
  expect(JSON.parse(readFileSync(`${site.root}/DC1/finished.watch`, 'utf8'))).toMatchObject({ site: 'site' });
  const config = JSON.parse(readFileSync(site.config, 'utf8')) as object;
  const destination = { transport: FOLDER_TRANSPORT, path: `${folder}/there2` };
  const other = { ...config, site: 'other', destination, state: `${folder}/other-state` };
  writeFileSync(site.config, JSON.stringify(other));
  const words =
    /finished by the site "?site"?.*if both sites work on this root, each reset takes the other’s finished\.watch away: name all destinations in one configuration/s;
  const { events } = await scanHere(site.config);
  expect(events.flatMap((event) => (event.type === 'note' ? [event.message] : []))).toContainEqual(
    expect.stringMatching(words),
  );
  expect((await site.run(['check'])).stdout).toMatch(words);
});
