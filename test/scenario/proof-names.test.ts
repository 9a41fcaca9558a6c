import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { IsocketEvent } from '../../src/core/events.ts';
import { FILE_SYSTEMS, onFileSystem } from '../support/mounts.ts';
import { parser } from '../support/parser.ts';
import { exchange, expectTrue, makeProofSite, TRANSPORTS } from '../support/proof.ts';
import type { TestServer } from '../support/server.ts';
import type { RunningSite } from '../support/site.ts';
import { startSshd } from '../support/sshd.ts';

// What is delivered is delivered under a name: the same file under another one is not there.
let folder: string;
let server: TestServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-names-'));
  server = await startSshd(folder);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const OLD = new Date('2020-02-02T02:02:02Z');

const write = (path: string, content: string): void => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
};

/** Of equal size, with equal times. */
const writePair = (one: string, other: string): void => {
  write(one, 'one of two');
  write(other, 'two of two');
  for (const path of [one, other]) utimesSync(path, OLD, OLD);
};

/** g+w, with a time that was kept from elsewhere. */
const writeBornMarked = (path: string): void => {
  write(path, `born marked: ${path}`);
  utimesSync(path, OLD, OLD);
  chmodSync(path, 0o664);
};

interface Renaming {
  readonly name: string;
  /** @param at the directory, not yet sent */
  readonly before: (at: string) => void;
  /** @param at the directory, of which everything is sent */
  readonly after: (at: string) => void | Promise<void>;
}

const RENAMINGS: readonly Renaming[] = [
  {
    name: 'a folder is renamed',
    before: (at) => write(`${at}/x.tmp/a`, 'a'),
    after: (at) => renameSync(`${at}/x.tmp`, `${at}/x`),
  },
  {
    name: 'two folders exchange their names, step by step',
    before: (at) => writePair(`${at}/hour.0/a`, `${at}/hour.1/a`),
    after: (at) => {
      renameSync(`${at}/hour.0`, `${at}/hour.t`);
      renameSync(`${at}/hour.1`, `${at}/hour.0`);
      renameSync(`${at}/hour.t`, `${at}/hour.1`);
    },
  },
  {
    name: 'two folders are exchanged at once',
    before: (at) => writePair(`${at}/day.0/sub/a`, `${at}/day.1/sub/a`),
    after: (at) => exchange(`${at}/day.0`, `${at}/day.1`),
  },
  {
    name: 'two files are exchanged at once',
    before: (at) => writePair(`${at}/file.0`, `${at}/file.1`),
    after: (at) => exchange(`${at}/file.0`, `${at}/file.1`),
  },
  {
    name: 'folders are rotated',
    before: (at) => writePair(`${at}/log.0/a`, `${at}/log.1/a`),
    after: (at) => {
      renameSync(`${at}/log.1`, `${at}/log.2`);
      renameSync(`${at}/log.0`, `${at}/log.1`);
    },
  },
];

const TOGETHER: Renaming = {
  name: 'all of these',
  before: (at) => {
    for (const { before } of RENAMINGS) before(at);
  },
  after: async (at) => {
    for (const { after } of RENAMINGS) await after(at);
  },
};

interface Arrival {
  readonly name: string;
  /** @param at the directory that is to be */
  readonly before: (at: string) => void;
  readonly after: (at: string) => void;
}

const ARRIVALS: readonly Arrival[] = [
  {
    name: 'a directory is moved in',
    before: (at) => writeBornMarked(`${dirname(at)}/elsewhere/sub/a`),
    after: (at) => renameSync(`${dirname(at)}/elsewhere`, at),
  },
  {
    name: 'a directory is renamed',
    before: (at) => writeBornMarked(`${at}.tmp/sub/a`),
    after: (at) => {
      rmSync(`${at}.tmp/finished.watch`, { force: true });
      renameSync(`${at}.tmp`, at);
    },
  },
  {
    name: 'a folder is moved into a directory',
    before: (at) => {
      writeBornMarked(`${dirname(at)}/staged/a`);
      mkdirSync(at);
    },
    after: (at) => renameSync(`${dirname(at)}/staged`, `${at}/sub`),
  },
  {
    name: 'the first scan of a umask-002 tree',
    before: (at) => {
      for (const path of ['a', 'b', 'sub/c']) writeBornMarked(`${at}/${path}`);
    },
    after: (at) => rmSync(`${at}/finished.watch`, { force: true }),
  },
];

describe.each(TRANSPORTS)('with %s', (transport) => {
  const scanRenaming = async (base: string, { before, after }: Renaming): Promise<void> => {
    const site = makeProofSite(base, server, transport, { source: { superseded: '1h' } });
    const at = `${site.root}/DC1`;
    before(at);
    expect((await site.scan()).exitCode).toBe(0);
    await after(at);
    parser(site.root).closeDirectory('DC1');
    expect((await site.scan()).exitCode).toBe(0);
    expectTrue(site, 'DC1', [site.there]);
  };

  it.each(RENAMINGS)('is sent under its new name when $name', (renaming) => scanRenaming(folder, renaming));

  it.each(FILE_SYSTEMS.slice(1))('is sent under its new names, on %s', (kind) =>
    onFileSystem(kind, (base) => scanRenaming(base, TOGETHER)),
  );

  const scanBornMarked = async (base: string, arrivals: readonly Arrival[]): Promise<void> => {
    const site = makeProofSite(base, server, transport, { source: { superseded: '1h' } });
    const directories = arrivals.map((arrival, index) => ({ ...arrival, name: `DC${index + 1}` }));
    for (const { before, name } of directories) before(`${site.root}/${name}`);
    expect((await site.scan()).exitCode).toBe(0);
    for (const { after, name } of directories) {
      after(`${site.root}/${name}`);
      parser(site.root).closeDirectory(name);
    }
    expect((await site.scan()).exitCode).toBe(0);
    for (const { name } of directories) expectTrue(site, name, [site.there]);
  };

  it.each(ARRIVALS)('is sent although it looks marked: $name', (arrival) => scanBornMarked(folder, [arrival]));

  it.each(FILE_SYSTEMS.slice(1))('is sent although it looks marked, on %s', (kind) =>
    onFileSystem(kind, (base) => scanBornMarked(base, ARRIVALS)),
  );

  it('is sent by the daemon although it looks marked, while it is watched and across a restart', async () => {
    const site = makeProofSite(folder, server, transport, {
      source: { rescan: '1h', settle: '100ms', superseded: '1h' },
    });
    for (const name of ['DC1', 'DC2']) write(`${site.root}/${name}/first`, 'first');
    const moveIn = (directory: string): void => {
      writeBornMarked(`${site.root}/staged-${directory}/deep/a`);
      renameSync(`${site.root}/staged-${directory}`, `${site.root}/${directory}/moved`);
      parser(site.root).closeDirectory(directory);
    };
    {
      await using daemon = site.start(['daemon']);
      await allSent(daemon, 2);
      moveIn('DC1');
      await daemon.event(finished('DC1'));
      expectTrue(site, 'DC1', [site.there]);
      expect(await daemon.stop()).toBe(143);
    }
    moveIn('DC2');
    renameSync(`${site.root}/DC2`, `${site.root}/DC3`);
    await using daemon = site.start(['daemon']);
    await daemon.event(finished('DC3'));
    expectTrue(site, 'DC3', [site.there]);
  });

  it('is sent under its new names by the daemon, while it is watched and across a restart', async () => {
    const site = makeProofSite(folder, server, transport, {
      source: { rescan: '1h', settle: '100ms', superseded: '1h' },
    });
    TOGETHER.before(`${site.root}/DC1`);
    TOGETHER.before(`${site.root}/DC2`);
    {
      await using daemon = site.start(['daemon']);
      await allSent(daemon, 18);
      await TOGETHER.after(`${site.root}/DC1`);
      parser(site.root).closeDirectory('DC1');
      await daemon.event(finished('DC1'));
      expectTrue(site, 'DC1', [site.there]);
      expect(await daemon.stop()).toBe(143);
    }
    await TOGETHER.after(`${site.root}/DC2`);
    await using daemon = site.start(['daemon']);
    await daemon.event(({ type }) => type === 'watching');
    parser(site.root).closeDirectory('DC2');
    await daemon.event(finished('DC2'));
    expectTrue(site, 'DC2', [site.there]);
  });
});

const finished = (directory: string) => (event: IsocketEvent) =>
  event.type === 'finished' && event.directory === directory;

const allSent = async (daemon: RunningSite, files: number): Promise<void> => {
  await daemon.event(() => daemon.events.filter(({ type }) => type === 'sent').length === files);
};
