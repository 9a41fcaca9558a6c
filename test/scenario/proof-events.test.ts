import { execa } from 'execa';
import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { IsocketEvent } from '../../src/core/events.ts';
import { holdFile } from '../support/file-holder.ts';
import { startSshd } from '../support/sshd.ts';
import { exchange, makeProofSite } from '../support/proof.ts';
import type { TestServer } from '../support/server.ts';
import { differences } from '../support/trees.ts';

// Whatever the kernel says anything of is found by its event: the rescan comes too late for any of these.
let folder: string;
let server: TestServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-events-'));
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

// Without a name, then with one, and open until a line comes.
const UNNAMED = `
import os, sys
fd = os.open(sys.argv[1], os.O_TMPFILE | os.O_WRONLY, 0o644)
os.write(fd, b"half")
os.link(f"/proc/self/fd/{fd}", sys.argv[1] + "/unnamed", src_dir_fd=os.open("/", 0), follow_symlinks=True)
sys.stdin.readline()
os.write(fd, b"whole")
`;

interface Change {
  readonly name: string;
  readonly before?: (at: string, aside: string) => void;
  /** @param sent resolves when the file of that name was sent since the change began */
  readonly after: (at: string, aside: string, sent: (path: string) => Promise<unknown>) => void | Promise<void>;
  readonly sent: readonly string[];
}

const CHANGES: readonly Change[] = [
  {
    name: 'a hard link to a sent file',
    before: (at) => write(`${at}/a`, 'a'),
    after: (at) => linkSync(`${at}/a`, `${at}/b`),
    sent: ['b'],
  },
  {
    name: 'a hard link to a file of elsewhere',
    before: (_at, aside) => write(`${aside}/a`, 'a'),
    after: (at, aside) => linkSync(`${aside}/a`, `${at}/b`),
    sent: ['b'],
  },
  {
    name: 'another name by link and unlink',
    before: (at) => write(`${at}/a`, 'a'),
    after: (at) => {
      linkSync(`${at}/a`, `${at}/b`);
      unlinkSync(`${at}/a`);
    },
    sent: ['b'],
  },
  {
    name: 'a file that had no name, O_TMPFILE',
    after: async (at) => {
      await execa('python3', ['-c', UNNAMED, at], { input: '\n' });
    },
    sent: ['unnamed'],
  },
  {
    name: 'a folder that is renamed',
    before: (at) => write(`${at}/x.tmp/a`, 'a'),
    after: (at) => renameSync(`${at}/x.tmp`, `${at}/x`),
    sent: ['x/a'],
  },
  {
    name: 'a deep folder that is moved in',
    before: (_at, aside) => write(`${aside}/x/y/z/a`, 'a'),
    after: (at, aside) => renameSync(`${aside}/x`, `${at}/x`),
    sent: ['x/y/z/a'],
  },
  {
    name: 'folders that are exchanged',
    before: (at) => writePair(`${at}/d.0/sub/a`, `${at}/d.1/sub/a`),
    after: (at) => exchange(`${at}/d.0`, `${at}/d.1`),
    sent: ['d.0/sub/a', 'd.1/sub/a'],
  },
  {
    name: 'a folder that takes the name of another one',
    before: (at, aside) => writePair(`${at}/d/a`, `${aside}/d/a`),
    after: (at, aside) => {
      renameSync(`${at}/d`, `${aside}/d.old`);
      renameSync(`${aside}/d`, `${at}/d`);
    },
    sent: ['d/a'],
  },
  {
    name: 'files that are exchanged',
    before: (at) => writePair(`${at}/a`, `${at}/b`),
    after: (at) => exchange(`${at}/a`, `${at}/b`),
    sent: ['a', 'b'],
  },
  {
    name: 'a file that is exchanged with one of elsewhere',
    before: (at, aside) => writePair(`${at}/a`, `${aside}/b`),
    after: (at, aside) => exchange(`${at}/a`, `${aside}/b`),
    sent: ['a'],
  },
  {
    name: 'a file that takes the name of another one',
    before: (at) => writePair(`${at}/a`, `${at}/b`),
    after: (at) => renameSync(`${at}/a`, `${at}/b`),
    sent: ['b'],
  },
  {
    // In the open directory: in a closed one whoever has a file open is looked for again and again.
    name: 'files that get a name while they are open',
    before: (at, aside) => {
      write(`${aside}/a`, 'neither half nor whole');
      linkSync(`${at}/first`, `${at}/again`); // Sent side by side: the mark on one of them changes the other.
    },
    after: async (at, aside, sent) => {
      // What a listing alone explains: when it is sent, the listing has seen what is open.
      const listed = async (name: string): Promise<void> => {
        linkSync(`${at}/first`, `${at}/${name}`);
        await sent(name);
      };
      const writer = execa('python3', ['-c', UNNAMED, at]);
      while (!readdirSync(at).includes('unnamed')) await nextTurn();
      await listed('second');
      writer.stdin.end('\n');
      await writer;
      await sent('unnamed');
      await using held = await holdFile(`${aside}/a`, 'open for writing');
      linkSync(`${aside}/a`, `${at}/b`);
      await listed('third');
      await held.write('whole');
    },
    sent: ['b'],
  },
];

// A directory each, so that what one of them has listed helps no other; the last is the newest and stays open.
const directoryOf = (index: number): string => `DC${index + 1}`;

it.each(['inotifywait', 'chokidar'])('is found by %s alone', { timeout: 120_000 }, async (watcher) => {
  const site = makeProofSite(folder, server, 'sftp', {
    source: { watcher, rescan: '1h', settle: '200ms', superseded: '1h' },
  });
  const at = (index: number): string => `${site.root}/${directoryOf(index)}`;
  const aside = (index: number): string => `${site.root}/aside/${index}`;
  for (const [index, { before }] of CHANGES.entries()) {
    mkdirSync(aside(index), { recursive: true });
    write(`${at(index)}/first`, 'first');
    before?.(at(index), aside(index));
  }
  const files = CHANGES.flatMap((_change, index) =>
    readdirSync(at(index), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()),
  ).length;
  await using daemon = site.start(['daemon']);
  await daemon.event(() => daemon.events.filter(({ type }) => type === 'sent').length >= files);
  const before = daemon.events.length;
  const missing = new Set<string>();
  const find = async ({ name, after, sent: paths }: Change, index: number): Promise<void> => {
    missing.add(name);
    const sent = (path: string): Promise<IsocketEvent> =>
      daemon.event(
        (event) =>
          event.type === 'sent' &&
          event.path === `${directoryOf(index)}/${path}` &&
          daemon.events.indexOf(event) >= before,
      );
    await after(at(index), aside(index), sent);
    for (const path of paths) await sent(path);
    missing.delete(name);
  };
  const finding = Promise.all(CHANGES.map(find));
  finding.catch(() => undefined); // The daemon ends when the test fails.
  await expect.poll(() => [...missing], { timeout: 60_000 }).toEqual([]);
  await finding;
  for (const index of CHANGES.keys()) {
    const lacking = differences(at(index), `${site.there}/${directoryOf(index)}`).filter(
      (difference) => !difference.startsWith('only at the destination'),
    );
    expect(lacking).toEqual([]);
  }
});
