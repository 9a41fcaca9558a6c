import { execa } from 'execa';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as immediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { scan } from '../../src/cli/commands/scan.ts';
import { verify } from '../../src/cli/commands/verify.ts';
import { CommitKind, Status } from '../../src/sftp/protocol.ts';
import { makeSmall } from '../support/break-folder.ts';
import { expectAllThere, expectNothingWrong, judge, produce } from '../support/invariant.ts';
import { startReceiverProcess } from '../support/receiver-process.ts';
import { runCommand } from '../support/run-command.ts';
import {
  COMMIT,
  withCommits,
  withOtherReplies,
  withoutCommitReplies,
  type Counts,
  type Held,
} from '../support/servers/commit-lies.ts';
import { idOf, startLyingServer, statusOf, type Lie } from '../support/servers/lying-server.ts';
import { makeSite, type TestSite } from '../support/site.ts';
import type { TestServer } from '../support/server.ts';

const BIG_BYTES = 9_000_000;
const inFolder = async (use: (folder: string) => Promise<void>): Promise<void> => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-commit-'));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

/** Small files, one of some writes, and one that is striped. */
const makeDirectory = (root: string, name: string): void => {
  for (let file = 0; file < 20; file += 1) produce(root, `${name}/${file % 3 === 0 ? 'sub/' : ''}f${file}`, file * 500);
  produce(root, `${name}/medium`, 500_000);
  produce(root, `${name}/big`, BIG_BYTES);
  writeFileSync(`${root}/${name}/finished.parse`, '');
};
const FILES = 22;

const siteAt = (folder: string, server: TestServer): TestSite =>
  makeSite(folder, server, { more: { send: { durable: true, retry: { first: '10ms', most: '50ms', hold: 20 } } } });

const namesIn = (folder: string): string[] =>
  existsSync(folder) ? readdirSync(folder).filter((name) => !name.startsWith('.')) : [];

const leftovers = (destination: string): string[] =>
  readdirSync(destination, { recursive: true, encoding: 'utf8' }).filter((name) => name.includes('.isocket-'));

it('every file is one commit, and a big one is closed by one', () =>
  inFolder(async (folder) => {
    const counts: Counts = new Map();
    await using server = await startLyingServer(
      folder,
      withCommits(counts, (packet, wire) => wire.toServer(packet)),
      { isOurs: true },
    );
    const { config, root } = siteAt(folder, server);
    // A new state asks once whether the destination is apart from the root.
    produce(root, 'DC0/file', 1);
    await runCommand(() => scan({ config }));
    counts.clear();
    makeDirectory(root, 'DC1');
    const { code, said } = await runCommand(() => scan({ config }));
    expect(code, said).toBe(0);
    expectAllThere(root, server.folder, 2);
    expect(counts.get(`commit ${CommitKind.CONTENT}`)).toBe(20);
    expect(counts.get(`commit ${CommitKind.WRITTEN}`)).toBe(2);
    expect(['FSETSTAT', 'posix-rename', 'READ'].filter((name) => counts.has(name))).toEqual([]);
  }));

it.for([Status.OP_UNSUPPORTED, Status.PERMISSION_DENIED, Status.BAD_MESSAGE])(
  'a commit that is refused as such (status %i) is asked for in the first moment only, and all files are sent',
  (status) =>
    inFolder(async (folder) => {
      const counts: Counts = new Map();
      await using server = await startLyingServer(
        folder,
        withCommits(counts, (packet, wire) => wire.toClient(statusOf(idOf(packet), status))),
        { isOurs: true },
      );
      const { config, root } = siteAt(folder, server);
      makeDirectory(root, 'DC1');
      produce(root, 'DC2/later', 100);
      writeFileSync(`${root}/DC2/finished.parse`, '');
      const { code, said } = await runCommand(() => scan({ config, verbose: true }));
      expect(code, said).toBe(0);
      expectAllThere(root, server.folder, 2);
      expect(leftovers(server.folder)).toEqual([]);
      expect(said.match(/refuses it/g)).toHaveLength(1);
      expect(counts.get(COMMIT)).toBeLessThanOrEqual(FILES + 1);
    }),
);

it.for<[string, (packet: Buffer, wire: Parameters<Lie>[0]) => void]>([
  ['closes the channel', (_, wire) => wire.hangUp()],
  [
    'closes the channel after it was done',
    (packet, wire) => {
      wire.toServer(packet);
      setTimeout(() => wire.hangUp(), 30);
    },
  ],
])('where a server %s at every commit, nothing false is marked, and the files are sent without', ([, lie]) =>
  inFolder(async (folder) => {
    await using server = await startLyingServer(folder, withoutCommitReplies(withCommits(new Map(), lie)), {
      isOurs: true,
    });
    const { config, root } = siteAt(folder, server);
    makeDirectory(root, 'DC1');
    for (let run = 0; run < 5 && judge(root, server.folder).finished === 0; run += 1) {
      await runCommand(() => scan({ config }));
      expectNothingWrong(root, server.folder);
    }
    expectAllThere(root, server.folder, 1);
    expect(leftovers(server.folder)).toEqual([]);
  }),
);

it.for<[string, (held: Held) => Partial<Held>]>([
  ['size', ({ size }) => ({ size: size + 1 })],
  ['SHA-256', () => ({ sha256: Buffer.alloc(32) })],
  ['time', ({ mtime }) => ({ mtime: mtime - 1000 })],
])('a reply with another %s marks nothing', ([, change]) =>
  inFolder(async (folder) => {
    await using server = await startLyingServer(folder, withOtherReplies(change), { isOurs: true });
    const { config, root } = siteAt(folder, server);
    makeDirectory(root, 'DC1');
    const { code, said } = await runCommand(() => scan({ config }));
    expect(code, said).toBe(3);
    expect(said).toContain('but the file there has');
    expectNothingWrong(root, server.folder);
    expect(judge(root, server.folder)).toMatchObject({ marked: 0, finished: 0 });
  }),
);

it('a file system that has no permissions is told once, and all files are sent', () =>
  inFolder(async (folder) => {
    const lie = withOtherReplies(() => ({ permissions: 0o100_755 }));
    await using server = await startLyingServer(folder, lie, { isOurs: true });
    const { config, root } = siteAt(folder, server);
    makeDirectory(root, 'DC1');
    const { code, said } = await runCommand(() => scan({ config }));
    expect(code, said).toBe(0);
    expect(said.match(/other permissions at the destination/g)).toHaveLength(1);
    expectAllThere(root, server.folder, 1);
  }));

it('a commit that is never answered marks nothing, and is left when isocket is to end', () =>
  inFolder(async (folder) => {
    const asked = Promise.withResolvers<undefined>();
    const lie = withCommits(new Map(), () => asked.resolve(undefined));
    await using server = await startLyingServer(folder, lie, { isOurs: true });
    const site = siteAt(folder, server);
    makeDirectory(site.root, 'DC1');
    const running = site.start(['scan']);
    await asked.promise;
    expect(await running.stop()).toBe(143);
    expect(judge(site.root, server.folder)).toMatchObject({ marked: 0, finished: 0, half: [], wronglyMarked: [] });
    expect(leftovers(server.folder).filter((name) => !name.includes('DC1/.isocket-'))).toEqual([]);
  }));

it('where the disk there is full it is told as that, nothing is half there, and all is sent once there is room', () =>
  inFolder(async (folder) => {
    mkdirSync(`${folder}/destination`);
    await using stack = new AsyncDisposableStack();
    stack.use(await makeSmall(`${folder}/destination`));
    const server = stack.use(await startReceiverProcess(folder));
    const site = siteAt(folder, server);
    produce(site.root, 'DC1/small', 1000);
    for (let file = 0; file < 20; file += 1) produce(site.root, `DC1/f${file}`, 100_000);
    produce(site.root, 'DC1/big', 3_000_000);
    writeFileSync(`${site.root}/DC1/finished.parse`, '');
    const { exitCode, stderr } = await site.run(['scan']);
    expect(exitCode, stderr).toBe(3);
    expect(stderr).toContain('no space left on device');
    expectNothingWrong(site.root, server.folder);
    await execa('mount', ['-o', 'remount,size=64m', server.folder]);
    expect((await site.run(['scan'])).exitCode).toBe(0);
    expectAllThere(site.root, server.folder, 1);
    expect(leftovers(server.folder)).toEqual([]);
  }));

it('a quota that is used up at a commit is told as a full disk', () =>
  inFolder(async (folder) => {
    const lie = withCommits(new Map(), (packet, wire) =>
      wire.toClient(statusOf(idOf(packet), Status.FAILURE, 'EDQUOT: disk quota exceeded, write')),
    );
    await using server = await startLyingServer(folder, lie, { isOurs: true });
    const { config, root } = siteAt(folder, server);
    makeDirectory(root, 'DC1');
    const { code, said } = await runCommand(() => scan({ config }));
    expect(code, said).toBe(3);
    expect(said).toContain('no space left on device');
    expect(judge(root, server.folder)).toMatchObject({ marked: 0, half: [], finished: 0 });
  }));

it('a receiver that is killed while it commits leaves nothing half, and nothing for ever', { timeout: 120_000 }, () =>
  inFolder(async (folder) => {
    await using server = await startReceiverProcess(folder);
    const site = siteAt(folder, server);
    for (let file = 0; file < 600; file += 1) produce(site.root, `DC1/f${file}`, 2000);
    writeFileSync(`${site.root}/DC1/finished.parse`, '');
    const scanning = site.run(['scan']);
    let isOver = false as boolean;
    void scanning.then(() => {
      isOver = true;
    });
    let found = 0;
    let kills = 0;
    // Where some have their names: others are between their write and their rename.
    for (const portion of [0.1, 0.3, 0.5, 0.7]) {
      const isDue = (): boolean => isOver || namesIn(`${server.folder}/DC1`).length > 600 * portion;
      while (!isDue()) await immediate();
      if (isOver) break;
      await server.kill();
      kills += 1;
      found += leftovers(server.folder).length;
      expectNothingWrong(site.root, server.folder);
    }
    await scanning;
    expect((await site.run(['scan'])).exitCode).toBe(0);
    expectAllThere(site.root, server.folder, 1);
    expect(kills).toBeGreaterThan(1);
    expect(found).toBeGreaterThan(0);
    expect(leftovers(server.folder)).toEqual([]);
  }),
);

it('content is compared over there: none of it comes over the line', () =>
  inFolder(async (folder) => {
    const counts: Counts = new Map();
    const lie = withCommits(counts, (packet, wire) => wire.toServer(packet));
    await using server = await startLyingServer(folder, lie, { isOurs: true });
    const { config, root } = siteAt(folder, server);
    makeDirectory(root, 'DC1');
    await runCommand(() => scan({ config }));
    counts.clear();
    const { code, said } = await runCommand(() => verify([], { config, checksum: true }));
    expect(code, said).toBe(0);
    expect(counts.get('sha256')).toBe(FILES);
    expect(counts.get('READ') ?? 0).toBe(0);
    const changed = `${server.folder}/DC1/medium`;
    const { atime, mtime } = statSync(changed);
    writeFileSync(changed, Buffer.alloc(500_000, 'x'));
    utimesSync(changed, atime, mtime);
    const again = await runCommand(() => verify([], { config, checksum: true }));
    expect(again.code, again.said).toBe(3);
    expect(again.said).toContain('the content differs');
    expect(counts.get('READ') ?? 0).toBeLessThan(20);
  }));
