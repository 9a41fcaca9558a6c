import { linkSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { execa } from 'execa';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { IsocketEvent } from '../../src/core/events.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { parser } from '../support/parser.ts';
import type { TestServer } from '../support/server.ts';
import { makeSite, type RunningSite, type SiteOptions, type TestSite } from '../support/site.ts';
import { differences, unmarked } from '../support/trees.ts';

let folder: string;
let server: TestServer;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-closed-'));
  server = await startOwnReceiver(folder);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

// No rescan and no quiet time that could save it within the time of a test.
const siteOf = ({ source, more }: SiteOptions = {}): TestSite =>
  makeSite(folder, server, {
    source: { settle: '10m', superseded: '10m', rescan: '10m', ...source },
    ...(more && { more }),
  });
const finished = (directory: string) => (event: IsocketEvent) =>
  event.type === 'finished' && event.directory === directory;
const closedByOf = (site: TestSite, directory: string): unknown =>
  (JSON.parse(readFileSync(`${site.root}/${directory}/finished.watch`, 'utf8')) as { closedBy: unknown }).closedBy;
const expectFinished = async (site: TestSite, daemon: RunningSite, directory: string): Promise<void> => {
  expect(await daemon.event(finished(directory))).toMatchObject({ closedBy: 'parser' });
  expect(closedByOf(site, directory)).toBe('parser');
  expect(differences(`${site.root}/${directory}`, `${server.folder}/${directory}`)).toEqual([]);
  expect(unmarked(`${site.root}/${directory}`)).toEqual([]);
};

/** Ways in which a parser makes `finished.parse`. */
const closings: readonly (readonly [string, (directory: string) => void])[] = [
  ['written', (directory) => writeFileSync(`${directory}/finished.parse`, '')],
  [
    'renamed into place',
    (directory) => {
      writeFileSync(`${folder}/marker`, '');
      renameSync(`${folder}/marker`, `${directory}/finished.parse`);
    },
  ],
  [
    'a hard link',
    (directory) => {
      writeFileSync(`${folder}/marker`, '');
      linkSync(`${folder}/marker`, `${directory}/finished.parse`);
    },
  ],
];

/** An `inotifywait` that watches a directory when it is let, as one that a busy host starts late. */
const makeLateInotifywait = async (site: TestSite, directories: readonly string[]) => {
  const programs = `${folder}/programs`;
  mkdirSync(programs);
  const gateOf = (directory: string): string => `${programs}/gate-${directory}`;
  for (const directory of directories) await execa('mkfifo', [gateOf(directory)]);
  // To open a FIFO for reading waits for its writer, and the other way around.
  const script = `#!/bin/sh
for folder; do :; done
gate=${programs}/gate-\${folder##*/}
case $folder in ${site.root}/*) [ -p "$gate" ] && read -r go <"$gate" ;; esac
exec /usr/bin/inotifywait "$@"
`;
  writeFileSync(`${programs}/inotifywait`, script, { mode: 0o755 });
  return {
    env: { PATH: `${programs}:/usr/bin:/bin` },
    /** Resolves when the watch of the directory is about to begin; it waits for what is returned. */
    begins: async (directory: string) => {
      const gate = execa('sh', ['-c', 'exec 3>"$1"; echo; read -r go; echo go >&3', 'sh', gateOf(directory)], {
        reject: false, // Who waits at the gate may be ended meanwhile: its directory is finished.
      });
      await new Promise((resolve) => gate.stdout.once('data', resolve));
      return async (): Promise<void> => {
        gate.stdin.end('go\n');
        await gate;
      };
    },
  };
};

describe('a directory that is closed before its watch is there', () => {
  it.each(closings)('is finished when the watch is there: finished.parse is %s', async (_how, close) => {
    const site = siteOf();
    const { makeDirectory, writeFile } = parser(site.root);
    const late = await makeLateInotifywait(site, ['DC1']);
    await using daemon = site.start(['daemon'], { env: late.env });
    await daemon.event(({ type }) => type === 'watching');
    makeDirectory('DC1');
    const watchIt = await late.begins('DC1');
    for (const path of ['DC1/file', 'DC1/sub/file', 'DC1/sub/deep/deeper/file']) writeFile(path);
    close(`${site.root}/DC1`);
    await watchIt();
    await expectFinished(site, daemon, 'DC1');
  });

  it('is finished when the watch is there: superseded at the same moment', async () => {
    const site = siteOf();
    const { makeDirectory, writeFile, closeDirectory } = parser(site.root);
    const late = await makeLateInotifywait(site, ['DC1', 'DC2']);
    await using daemon = site.start(['daemon'], { env: late.env });
    await daemon.event(({ type }) => type === 'watching');
    makeDirectory('DC1');
    const watchFirst = await late.begins('DC1');
    makeDirectory('DC2');
    const watchSecond = await late.begins('DC2');
    for (const directory of ['DC1', 'DC2']) {
      writeFile(`${directory}/file`);
      closeDirectory(directory);
    }
    await watchSecond();
    await expectFinished(site, daemon, 'DC2');
    await watchFirst();
    await expectFinished(site, daemon, 'DC1');
  });

  it('is finished when its watch is there again after it died', async () => {
    const site = siteOf({ source: { settle: '0s' } });
    const { makeDirectory, writeFile, closeDirectory } = parser(site.root);
    const late = await makeLateInotifywait(site, ['DC1']);
    await using daemon = site.start(['daemon'], { env: late.env });
    makeDirectory('DC1');
    await (
      await late.begins('DC1')
    )();
    writeFile('DC1/file');
    await daemon.event((event) => event.type === 'sent' && event.path === 'DC1/file');
    process.kill(watcherOf(daemon.pid, `${site.root}/DC1`), 'SIGKILL');
    const watchAgain = await late.begins('DC1');
    closeDirectory('DC1');
    await watchAgain();
    await expectFinished(site, daemon, 'DC1');
  });

  it('is finished as closed by the parser where it was superseded before anybody heard of finished.parse', async () => {
    const site = siteOf({ source: { settle: '0s', superseded: '300ms' }, more: { announce: true } });
    const { makeDirectory, writeFile, closeDirectory } = parser(site.root);
    const late = await makeLateInotifywait(site, ['DC1']);
    await using daemon = site.start(['daemon'], { env: late.env });
    await daemon.event(({ type }) => type === 'watching');
    makeDirectory('DC1');
    const watchIt = await late.begins('DC1');
    writeFile('DC1/file');
    closeDirectory('DC1');
    makeDirectory('DC2');
    expect(await daemon.event(finished('DC1'))).toMatchObject({ closedBy: 'parser' });
    expect(closedByOf(site, 'DC1')).toBe('parser');
    expect(readFileSync(`${server.folder}/DC1/finished.parse`, 'utf8')).toBe('');
    await watchIt();
  });
});

const watcherOf = (pid: number, path: string): number => {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').map(Number);
  const found = children.find((child) => readFileSync(`/proc/${child}/cmdline`, 'utf8').split('\0').includes(path));
  if (found === undefined) throw new Error(`nobody watches ${path}`);
  return found;
};

describe.each(['inotifywait', 'chokidar'])('by %s, directories that are made and closed within moments', (watcher) => {
  it('are finished, at whatever moment finished.parse appears', async () => {
    const site = siteOf({ source: { settle: '2s', watcher } });
    const { makeDirectory, writeFile } = parser(site.root);
    await using daemon = site.start(['daemon']);
    await daemon.event(({ type }) => type === 'watching');
    for (let index = 0; index < 24; index += 1) {
      const directory = `DC${index + 1}`;
      makeDirectory(directory);
      await delay(index * 3); // The moment itself, over all that happens while a watch begins.
      for (const path of ['file', 'sub/file']) writeFile(`${directory}/${path}`);
      closings[index % closings.length]?.[1](`${site.root}/${directory}`);
      await expectFinished(site, daemon, directory);
    }
  });

  it('are finished where more come at once than are watched', async () => {
    const site = siteOf({ source: { settle: '2s', watcher } });
    const { makeDirectory, writeFile, closeDirectory } = parser(site.root);
    const directories = Array.from({ length: 20 }, (_, index) => `DC${index + 1}`);
    await using daemon = site.start(['daemon']);
    await daemon.event(({ type }) => type === 'watching');
    const seen = daemon.event(({ type }) => type === 'found');
    directories.forEach(makeDirectory);
    await Promise.race([seen, delay(20)]);
    for (const directory of directories) {
      for (let file = 1; file <= 3; file += 1) writeFile(`${directory}/file-${file}`);
      closeDirectory(directory);
    }
    for (const directory of directories) await expectFinished(site, daemon, directory);
  });

  it('are finished where they are renamed into the root', async () => {
    const site = siteOf({ source: { watcher } });
    await using daemon = site.start(['daemon']);
    await daemon.event(({ type }) => type === 'watching');
    for (const directory of ['DC1', 'DC2']) {
      const { writeFile, closeDirectory } = parser(folder);
      writeFile(`${directory}/sub/file`);
      closeDirectory(directory);
      renameSync(`${folder}/${directory}`, `${site.root}/${directory}`);
    }
    for (const directory of ['DC1', 'DC2']) await expectFinished(site, daemon, directory);
  });
});
