import {
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, it } from 'vitest';
import type { IsocketEvent } from '../../src/core/events.ts';
import { holdFile } from '../support/file-holder.ts';
import { FILE_SYSTEMS, onFileSystem, type FileSystem } from '../support/mounts.ts';
import { isFinished, parser } from '../support/parser.ts';
import { ARRIVALS, TOGETHER, write, writeBornMarked } from '../support/proof-cases.ts';
import { expectTrue, makeProofSite, startDaemonHere, type ProofSite, type TransportName } from '../support/proof.ts';
import type { TestServer } from '../support/server.ts';
import { startSshd } from '../support/sshd.ts';

// All that may become a false proof, side by side in the directories of one root: sent, changed while no isocket runs, sent and finished.
// Through scans and through two daemons, on each file system.
let folder: string;
let server: TestServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-matrix-'));
  server = await startSshd(folder);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

interface Case {
  /** @param at the directory, before anything is sent */
  readonly before: (at: string, site: ProofSite, stack: AsyncDisposableStack) => void | Promise<void>;
  /** When all is sent that may be, and no isocket runs. */
  readonly after: (at: string, site: ProofSite) => void | Promise<void>;
  /** Files that may not be sent before that. */
  readonly held?: number;
}

const overwriteInPlace = (path: string, content: string): void => {
  const { atime, mtime } = statSync(path);
  writeFileSync(path, content, { flag: 'r+' });
  utimesSync(path, atime, mtime);
};

const CASES: readonly Case[] = [
  TOGETHER,
  ...ARRIVALS,
  {
    // Written over in place, of equal size, with its time set back.
    before: (at) => write(`${at}/file`, 'first '),
    after: (at) => overwriteInPlace(`${at}/file`, 'second'),
  },
  {
    // Born g+w with kept times, beside what is known and in a new folder.
    before: (at) => writeBornMarked(`${at}/first`),
    after: (at) => {
      writeBornMarked(`${at}/second`);
      writeBornMarked(`${at}/new/third`);
    },
  },
  {
    // Two directories share inodes.
    before: (at) => {
      write(`${at}/a`, 'shared');
      mkdirSync(`${at}-links`);
      linkSync(`${at}/a`, `${at}-links/b`);
      linkSync(`${at}/a`, `${at}/c`);
    },
    after: (at, { root }) => {
      linkSync(`${at}/a`, `${at}-links/late`);
      parser(root).closeDirectory(`${at.slice(root.length + 1)}-links`);
    },
  },
  {
    // The record of a directory is lost: what is there is not sent again, what is not is sent.
    before: (at) => {
      for (const name of ['one', 'two', 'three']) write(`${at}/${name}`, name);
    },
    after: (at, { root, state, there }) => {
      const name = at.slice(root.length + 1);
      rmSync(`${state}/records/${name}`);
      rmSync(`${there}/${name}/two`);
    },
  },
  {
    // Mapped for writing, its descriptor closed; and open for writing.
    held: 2,
    before: async (at, _site, stack) => {
      write(`${at}/mapped`, 'neither half nor whole');
      write(`${at}/opened`, 'neither half nor whole');
      const mapped = stack.use(await holdFile(`${at}/mapped`, 'shared mapping'));
      const opened = stack.use(await holdFile(`${at}/opened`, 'open for writing'));
      await mapped.write('half');
      await opened.write('half');
      stack.defer(async () => {
        await mapped.write('whole');
        await opened.write('whole');
      });
    },
    after: () => undefined,
  },
];

const LIMIT = { timeout: 120_000 };

const directoryOf = (index: number): string => `DC${index + 1}`;

/** What becomes of the destination while no isocket runs. */
const DESTINATIONS: Readonly<Record<FileSystem, 'same' | 'added' | 'changed'>> = {
  plain: 'same',
  tmpfs: 'added',
  '/dev/shm': 'same',
  overlayfs: 'changed',
  'ext4-128': 'added',
};

const reconfigure = (site: ProofSite, change: 'same' | 'added' | 'changed'): readonly string[] => {
  if (change === 'same') return [site.there];
  const other = `${site.there}-other`;
  mkdirSync(other);
  const config = JSON.parse(readFileSync(site.config, 'utf8')) as { readonly destination: object };
  const changed = { ...config.destination, path: other };
  const destination = change === 'added' ? [config.destination, changed] : changed;
  writeFileSync(site.config, JSON.stringify({ ...config, destination }));
  return change === 'added' ? [site.there, other] : [other];
};

const directoriesIn = (root: string): string[] => readdirSync(root).filter((name) => name.startsWith('DC'));

const filesIn = (root: string): number =>
  directoriesIn(root).flatMap((name) =>
    readdirSync(`${root}/${name}`, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()),
  ).length;

/** Sends what may be sent; then, or instead, until these are finished. */
type Run = (
  site: ProofSite,
  until: { readonly sent: number } | { readonly finished: readonly string[] },
) => Promise<void>;

const scan: Run = async (site, until) => {
  let sent = 0;
  for (let scans = 0; scans < 4; scans += 1) {
    sent += (await site.scan()).summary.sent;
    if ('sent' in until ? sent >= until.sent : until.finished.every((name) => isFinished(site.root, name))) return;
  }
};

const daemon: Run = async (site, until) => {
  await using running = await startDaemonHere(site.config);
  const { events } = running;
  if ('sent' in until) await running.event(() => pathsSent(events) === until.sent);
  else
    for (const name of until.finished)
      await running.event((event) => event.type === 'finished' && event.directory === name);
};

const pathsSent = (events: readonly IsocketEvent[]): number =>
  new Set(events.flatMap((event) => (event.type === 'sent' ? [event.path] : []))).size;

const prove = (transport: TransportName, kind: FileSystem, run: Run): Promise<void> =>
  onFileSystem(kind, async (base) => {
    const site = makeProofSite(base, server, transport, { source: { superseded: '1h', rescan: '1h' } });
    const at = (index: number): string => `${site.root}/${directoryOf(index)}`;
    await using holders = new AsyncDisposableStack();
    let held = 0;
    for (const [index, one] of CASES.entries()) {
      await one.before(at(index), site, holders);
      held += one.held ?? 0;
    }
    await run(site, { sent: filesIn(site.root) - held });
    for (const [index, { after }] of CASES.entries()) await after(at(index), site);
    await holders.disposeAsync();
    const folders = reconfigure(site, DESTINATIONS[kind]);
    for (const index of CASES.keys()) parser(site.root).closeDirectory(directoryOf(index));
    const closed = directoriesIn(site.root).filter((name) =>
      readdirSync(`${site.root}/${name}`).includes('finished.parse'),
    );
    await run(site, { finished: closed });
    for (const name of closed) expectTrue(site, name, folders);
  });

it.each(FILE_SYSTEMS)('two daemons, one after the other, prove only what is there: sftp on %s', LIMIT, (kind) =>
  prove('sftp', kind, daemon),
);

it.each(['plain', 'overlayfs'] as const)('the same with rsync on %s', LIMIT, (kind) => prove('rsync', kind, daemon));

it.each([
  ['sftp', 'tmpfs'],
  ['sftp', 'ext4-128'],
  ['rsync', '/dev/shm'],
  ['rsync', 'ext4-128'],
] as const)('scans prove only what is there: %s on %s', LIMIT, (transport, kind) => prove(transport, kind, scan));
