import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deleteDirectory } from '../../../src/maintain/delete-directory.ts';
import { removeFinishedWatch, writeFinishedWatch } from '../../../src/marks/finished-watch.ts';
import { mark, unmark } from '../../../src/marks/mark.ts';
import { walk } from '../../../src/source/scanner.ts';
import { SourceClock } from '../../../src/source/file-clock.ts';
import { Sender } from '../../../src/delivery/sender.ts';
import { openState } from '../../../src/marks/state.ts';

// The parser may write everything below the root, and swap any of it for a link at any moment. `outside` stands for /etc.
let folder: string;
let root: string;
let outside: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-confined-'));
  root = `${folder}/datas`;
  outside = `${folder}/outside`;
  for (const path of [`${root}/DC1/sub`, outside]) mkdirSync(path, { recursive: true });
  for (const path of [`${root}/DC1/sub/file`, `${root}/DC1/file`]) writeFileSync(path, 'ours', { mode: 0o644 });
  writeFileSync(`${outside}/file`, 'secret', { mode: 0o600 });
});
afterEach(() => {
  // Nothing outside was read from, written to or changed, whatever the test did.
  expect(readdirSync(outside)).toEqual(['file']);
  expect(readFileSync(`${outside}/file`, 'utf8')).toBe('secret');
  expect(lstatSync(`${outside}/file`).mode & 0o7777).toBe(0o600);
  rmSync(folder, { recursive: true });
});

const swap = (path: string): void => {
  renameSync(path, `${path}-away`);
  symlinkSync(outside, path);
};
const identityOf = (path: string) => lstatSync(path, { bigint: true });
const directory = () => {
  const { dev, ino } = identityOf(`${root}/DC1`);
  return { name: 'DC1', dev, ino };
};
const nothing = (): boolean => false;

describe('finished.watch', () => {
  it.each([
    ['a link', () => symlinkSync(`${outside}/file`, `${root}/DC1/.isocket-finished.watch`)],
    ['a dangling link', () => symlinkSync(`${outside}/new`, `${root}/DC1/.isocket-finished.watch`)],
    ['another name of a file', () => linkSync(`${outside}/file`, `${root}/DC1/.isocket-finished.watch`)],
    ['what a crash left', () => writeFileSync(`${root}/DC1/.isocket-finished.watch`, '{"half')],
  ])('is not written through %s under its temporary name', (_title, prepare) => {
    prepare();
    writeFinishedWatch(root, directory(), { files: 1 });
    expect(readFileSync(`${root}/DC1/finished.watch`, 'utf8')).toBe('{"files":1}\n');
    expect(lstatSync(`${root}/DC1/finished.watch`).isFile()).toBe(true);
    expect(existsSync(`${root}/DC1/.isocket-finished.watch`)).toBe(false);
  });

  it('is neither written nor removed where the directory was swapped for a link, or made again', () => {
    const before = directory();
    swap(`${root}/DC1`);
    expect(() => writeFinishedWatch(root, before, {})).toThrow(/ELOOP|ENOTDIR/);
    rmSync(`${root}/DC1`);
    mkdirSync(`${root}/DC1`);
    writeFileSync(`${root}/DC1/finished.watch`, '');
    expect(() => writeFinishedWatch(root, before, {})).toThrow('it was replaced');
    expect(() => removeFinishedWatch(root, before)).toThrow('it was replaced');
    expect(existsSync(`${root}/DC1/finished.watch`)).toBe(true);
  });

  it('can be read by everybody, whatever the umask', () => {
    const before = process.umask(0o077);
    try {
      writeFinishedWatch(root, directory(), {});
    } finally {
      process.umask(before);
    }
    expect(lstatSync(`${root}/DC1/finished.watch`).mode & 0o777).toBe(0o644);
  });

  it('is on stable storage before it has its name, and its name before we go on', () => {
    const script = `
      import { lstatSync } from 'node:fs';
      import { writeFinishedWatch } from ${JSON.stringify(new URL('../../../src/marks/finished-watch.ts', import.meta.url).href)};
      const { dev, ino } = lstatSync(${JSON.stringify(`${root}/DC1`)}, { bigint: true });
      writeFinishedWatch(${JSON.stringify(root)}, { name: 'DC1', dev, ino }, { files: 1 });`;
    writeFileSync(`${folder}/write.mts`, script);
    const calls = 'fsync,rename,renameat,renameat2,write,pwrite64';
    const trace = `${folder}/trace`;
    execFileSync('strace', ['-f', '-o', trace, '-e', `trace=${calls}`, process.execPath, `${folder}/write.mts`], {
      stdio: 'ignore',
    });
    const steps = readFileSync(trace, 'utf8')
      .split('\n')
      .flatMap(
        (line) => /(?:\d+ +)?(?:(fsync|rename)(?:at2?)?\(|(write)\(\d+, "\{\\"files)/.exec(line)?.slice(1, 3) ?? [],
      )
      .filter((step) => (step as string | undefined) !== undefined);
    expect(steps).toEqual(['write', 'fsync', 'rename', 'fsync']);
  });
});

describe('the mark', () => {
  it('is not set behind a link: in place of the file, or of its folder', () => {
    const sent = identityOf(`${root}/DC1/sub/file`);
    swap(`${root}/DC1/sub`);
    expect(() => mark(`${root}/DC1/sub/file`, sent)).toThrow('it changed');
    const other = identityOf(`${root}/DC1/file`);
    rmSync(`${root}/DC1/file`);
    symlinkSync(`${outside}/file`, `${root}/DC1/file`);
    expect(() => mark(`${root}/DC1/file`, other)).toThrow('it changed');
  });

  it('is not taken off behind a link', () => {
    chmodSync(`${outside}/file`, 0o620);
    swap(`${root}/DC1/sub`);
    expect(() => unmark(root, 'DC1/sub/file')).toThrow('it changed');
    rmSync(`${root}/DC1/file`);
    symlinkSync(`${outside}/file`, `${root}/DC1/file`);
    expect(() => unmark(root, 'DC1/file')).toThrow('it changed');
    expect(lstatSync(`${outside}/file`).mode & 0o777).toBe(0o620);
    chmodSync(`${outside}/file`, 0o600);
  });

  it('waits for no fifo that takes the place of a file', () => {
    rmSync(`${root}/DC1/file`);
    execFileSync('mkfifo', [`${root}/DC1/file`]);
    expect(() => unmark(root, 'DC1/file')).toThrow('it changed');
  });
});

it('a walk does not enter a folder that was swapped for a link since it was named', () => {
  const seen: unknown[] = [];
  for (const entry of walk(`${root}/DC1`, nothing)) {
    if (entry.kind === 'folder') swap(`${root}/DC1/sub`);
    seen.push(entry.kind === 'skipped' ? [entry.path, entry.why] : entry.path);
  }
  expect(seen.toSorted()).toEqual(['file', 'sub', ['sub', 'symlink']].toSorted());
});

it('a walk fails where the directory itself is a link', () => {
  swap(`${root}/DC1`);
  expect(() => [...walk(`${root}/DC1`, nothing)]).toThrow(/ELOOP|ENOTDIR/);
});

it('a walk looks at nothing through a folder that is swapped for a link while it is listed', () => {
  const sizes: unknown[] = [];
  for (const name of ['a', 'b']) writeFileSync(`${root}/DC1/sub/${name}`, 'ours');
  for (const entry of walk(`${root}/DC1`, nothing)) {
    if (entry.kind !== 'file' || !entry.path.startsWith('sub/')) continue;
    if (sizes.length === 0) swap(`${root}/DC1/sub`);
    sizes.push([entry.path, entry.stats.size]);
  }
  expect(sizes.toSorted()).toEqual([
    ['sub/a', 4n],
    ['sub/b', 4n],
    ['sub/file', 4n],
  ]);
});

it('what was closed behind a link is not sent', async () => {
  const sender = new Sender({
    root,
    destinations: [],
    retry: { firstMs: 1, mostMs: 1, hold: 1 },
    retryMode: 'pass',
    clock: new SourceClock(),
    report: () => undefined,
    signal: new AbortController().signal,
  });
  expect(sender.stat('DC1/sub/file')?.size).toBe(4n);
  swap(`${root}/DC1/sub`);
  // For the rest of the turn it still looks at the folder that it has open, and never at what the link leads to.
  expect(sender.stat('DC1/sub/file')?.size).toBe(4n);
  await nextTurn();
  expect(sender.stat('DC1/sub/file')).toBeUndefined();
});

describe('deleting a directory', () => {
  it('deletes what is known, by open folders', () => {
    writeFileSync(`${root}/DC1/finished.watch`, '');
    deleteDirectory(root, directory(), () => true);
    expect(readdirSync(root)).toEqual([]);
  });

  it.each([
    ['a folder was swapped for a link', () => swap(`${root}/DC1/sub`)],
    ['a file was swapped for a link', () => symlinkSync(`${outside}/file`, `${root}/DC1/link`)],
    ['the directory was swapped for a link', () => swap(`${root}/DC1`)],
  ])('follows no link where %s', (_title, harm) => {
    const before = directory();
    harm();
    expect(() => deleteDirectory(root, before, () => true)).toThrow();
  });

  it('keeps what it does not know, and finished.watch with it', () => {
    writeFileSync(`${root}/DC1/finished.watch`, '');
    const known = identityOf(`${root}/DC1/file`).ino;
    expect(() => deleteDirectory(root, directory(), ({ ino }) => ino === known)).toThrow('"file" in it changed');
    expect(existsSync(`${root}/DC1/sub/file`)).toBe(true);
    expect(existsSync(`${root}/DC1/finished.watch`)).toBe(true);
  });
});

describe('the state folder', () => {
  it('is refused where others can write it', () => {
    mkdirSync(`${folder}/state`);
    chmodSync(`${folder}/state`, 0o777);
    expect(() => openState(`${folder}/state`, root)).toThrow('others than its owner can write it');
  });

  it('is nobody else’s to read', () => {
    openState(`${folder}/state`, root);
    expect(lstatSync(`${folder}/state`).mode & 0o777).toBe(0o700);
    expect(lstatSync(`${folder}/state/records`).mode & 0o777).toBe(0o700);
  });
});
