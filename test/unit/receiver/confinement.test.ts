import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/receiver/client-log.ts';
import { unrestricted } from '../../../src/receiver/change-rules.ts';
import { openConfinedFolder, type ConfinedFolder } from '../../../src/receiver/confined-folder.ts';
import { createHandles, type Handles } from '../../../src/receiver/handles.ts';
import { createRequestServer } from '../../../src/receiver/requests.ts';
import { MalformedPacketError } from '../../../src/sftp/packet-reader.ts';
import { PacketWriter } from '../../../src/sftp/packet-writer.ts';
import { Extension, OpenFlag, Packet, Status } from '../../../src/sftp/protocol.ts';
import { openSession, type Ask } from '../../support/request-client.ts';

const SECRET = 'the secret outside';

let home: string;
let root: string;
let outside: string;
let folder: ConfinedFolder;
let handles: Handles;
let session: ReturnType<typeof openSession>;

beforeEach(() => {
  home = fs.mkdtempSync(join(tmpdir(), 'isocket-confinement-'));
  root = join(home, 'root');
  outside = join(home, 'outside');
  fs.mkdirSync(join(root, 'folder/deep'), { recursive: true });
  fs.mkdirSync(join(outside, 'folder'), { recursive: true });
  fs.writeFileSync(join(outside, 'secret'), SECRET);
  fs.writeFileSync(join(outside, 'folder/secret'), SECRET);
  fs.writeFileSync(join(root, 'file'), 'inside');
  fs.symlinkSync('../outside', join(root, 'link-to-outside'));
  fs.symlinkSync(outside, join(root, 'folder/absolute-link'));
  fs.symlinkSync('../outside/secret', join(root, 'link-to-secret'));
  fs.symlinkSync('../outside/new', join(root, 'dangling-link'));
  fs.symlinkSync('file', join(root, 'link-inside'));
  folder = openConfinedFolder(root);
  handles = createHandles(8);
  session = openSession({ folder, handles, rules: unrestricted });
});

afterEach(() => {
  handles.closeAll();
  folder[Symbol.dispose]();
  fs.rmSync(home, { recursive: true });
});

const ask: Ask = (type, fields) => session.ask(type, fields);

const path = (value: string | Buffer): Buffer => (typeof value === 'string' ? Buffer.from(value) : value);
const open = (value: string | Buffer, flags: number) =>
  ask(Packet.OPEN, (w) => w.bytes(path(value)).u32(flags).attributes({}));
const write = OpenFlag.WRITE | OpenFlag.CREAT | OpenFlag.TRUNC;

/** Everything on the disk outside the root. */
const outsideState = (): unknown =>
  fs
    .readdirSync(home, { recursive: true, encoding: 'utf8' })
    .filter((name) => name !== 'root' && !name.startsWith('root/'))
    .sort()
    .map((name) => {
      const { mode, mtimeNs, size, ino } = fs.lstatSync(join(home, name), { bigint: true });
      return { name, mode, mtimeNs, size, ino };
    });

/** Every request that takes a path, with the hostile one as each of its arguments. */
const requests: [string, (value: Buffer) => ReturnType<typeof ask>][] = [
  ['OPEN for reading', (value) => open(value, OpenFlag.READ)],
  ['OPEN for writing', (value) => open(value, write)],
  ['OPEN for appending', (value) => open(value, OpenFlag.WRITE | OpenFlag.APPEND)],
  ['STAT', (value) => ask(Packet.STAT, (w) => w.bytes(value))],
  ['SETSTAT permissions', (value) => ask(Packet.SETSTAT, (w) => w.bytes(value).attributes({ permissions: 0o777 }))],
  ['SETSTAT times', (value) => ask(Packet.SETSTAT, (w) => w.bytes(value).attributes({ atime: 1, mtime: 1 }))],
  ['SETSTAT size', (value) => ask(Packet.SETSTAT, (w) => w.bytes(value).attributes({ size: 1 }))],
  ['OPENDIR', (value) => ask(Packet.OPENDIR, (w) => w.bytes(value))],
  ['statvfs', (value) => ask(Packet.EXTENDED, (w) => w.bytes(Extension.STATVFS).bytes(value))],
];
const changes: typeof requests = [
  ['MKDIR', (value) => ask(Packet.MKDIR, (w) => w.bytes(value).attributes({}))],
  ['LSTAT', (value) => ask(Packet.LSTAT, (w) => w.bytes(value))],
  ['REMOVE', (value) => ask(Packet.REMOVE, (w) => w.bytes(value))],
  ['RMDIR', (value) => ask(Packet.RMDIR, (w) => w.bytes(value))],
  ['RENAME from', (value) => ask(Packet.RENAME, (w) => w.bytes(value).bytes('stolen'))],
  ['RENAME to', (value) => ask(Packet.RENAME, (w) => w.bytes('file').bytes(value))],
  [
    'posix-rename from',
    (value) => ask(Packet.EXTENDED, (w) => w.bytes(Extension.POSIX_RENAME).bytes(value).bytes('stolen')),
  ],
  [
    'posix-rename to',
    (value) => ask(Packet.EXTENDED, (w) => w.bytes(Extension.POSIX_RENAME).bytes('file').bytes(value)),
  ],
];

/** Paths that go through a symlink: every request must fail. */
const throughLinks = [
  'link-to-outside/secret',
  'link-to-outside/folder/secret',
  'link-to-outside/new',
  'link-to-outside/folder',
  '/link-to-outside//./secret',
  'folder/absolute-link/secret',
  'folder/deep/../absolute-link/secret',
  'link-to-outside/.git/x',
];
/** Paths whose last name is a symlink: requests that open or follow it must fail. */
const toLinks = [
  'link-to-outside',
  'link-to-secret',
  'dangling-link',
  'link-inside',
  'folder/absolute-link',
  'link-to-outside/',
];

describe('a path through a symlink', () => {
  it.each(throughLinks)('%s is refused by every request', async (hostile) => {
    const before = outsideState();
    for (const [name, request] of [...requests, ...changes]) {
      const answer = await request(Buffer.from(hostile));
      expect.soft({ name, ok: answer.status === Status.OK }).toEqual({ name, ok: false });
      expect(answer.raw.includes(SECRET)).toBe(false);
    }
    expect(outsideState()).toEqual(before);
  });
});

describe('a symlink itself', () => {
  it.each(toLinks)('%s is not opened, followed or changed', async (hostile) => {
    const before = outsideState();
    for (const [name, request] of requests) {
      const answer = await request(Buffer.from(hostile));
      expect.soft({ name, status: answer.status !== Status.OK }).toEqual({ name, status: true });
    }
    expect(outsideState()).toEqual(before);
    expect(fs.readFileSync(join(root, 'file'), 'utf8')).toBe('inside');
  });

  it('is reported by LSTAT, and refused by STAT and OPEN', async () => {
    const { body } = await ask(Packet.LSTAT, (w) => w.bytes('link-to-secret'));
    expect((body.attributes().permissions ?? 0) & fs.constants.S_IFMT).toBe(fs.constants.S_IFLNK);
    expect((await ask(Packet.STAT, (w) => w.bytes('link-to-secret'))).status).toBe(Status.PERMISSION_DENIED);
    expect((await open('link-to-secret', OpenFlag.READ)).status).toBe(Status.PERMISSION_DENIED);
    expect((await open('link-to-outside/secret', OpenFlag.READ)).status).toBe(Status.PERMISSION_DENIED);
  });

  it('can be neither created nor read', async () => {
    expect((await ask(Packet.SYMLINK, (w) => w.bytes('/etc').bytes('evil'))).status).toBe(Status.PERMISSION_DENIED);
    expect((await ask(Packet.READLINK, (w) => w.bytes('link-to-secret'))).status).toBe(Status.PERMISSION_DENIED);
    expect((await ask(Packet.EXTENDED, (w) => w.bytes('hardlink@openssh.com').bytes('file').bytes('b'))).status).toBe(
      Status.OP_UNSUPPORTED,
    );
    expect(fs.existsSync(join(root, 'evil'))).toBe(false);
  });
});

describe('".." and absolute paths', () => {
  it.each([
    '../outside/secret',
    '/../outside/secret',
    'folder/../../outside/secret',
    'folder/deep/../../../outside/secret',
    '/../../../../../../../../outside/secret',
    './.././/..//outside/./secret',
    '..//outside/secret/',
  ])('%s stays below the root, where there is no such file', async (hostile) => {
    const before = outsideState();
    for (const [name, request] of [...requests, ...changes]) {
      expect
        .soft({ name, status: (await request(Buffer.from(hostile))).status })
        .toEqual({ name, status: Status.NO_SUCH_FILE });
    }
    expect(outsideState()).toEqual(before);
  });

  it('absolute paths of the host do not exist', async () => {
    for (const hostile of [
      join(outside, 'secret'),
      join(root, 'file'),
      '/etc/passwd',
      '/proc/self/fd/0',
      '/proc/self/cwd',
    ]) {
      expect.soft((await open(hostile, OpenFlag.READ)).status).toBe(Status.NO_SUCH_FILE);
    }
  });

  it.each(['..', '/', '.', '', '/..', 'folder/../..'])(
    '"%s" is the root, which cannot be removed or renamed',
    async (value) => {
      const hostile = Buffer.from(value);
      const before = outsideState();
      for (const [name, request] of changes) {
        const { status } = await request(hostile);
        expect.soft({ name, ok: status === Status.OK }).toEqual({ name, ok: name === 'LSTAT' });
      }
      expect(fs.readdirSync(root)).toContain('file');
      expect(outsideState()).toEqual(before);
    },
  );

  it.each([
    ['../../a/../b', '/b'],
    ['.', '/'],
    ['/x//y/./z/', '/x/y/z'],
  ])('REALPATH of %s is %s', async (value, expected) => {
    const { body } = await ask(Packet.REALPATH, (w) => w.bytes(value));
    expect(body.u32()).toBe(1);
    expect(body.text()).toBe(expected);
  });

  it('a rename with ".." in its target stays below the root', async () => {
    fs.mkdirSync(join(root, 'outside'));
    const before = outsideState();
    const { status } = await ask(Packet.EXTENDED, (w) =>
      w.bytes(Extension.POSIX_RENAME).bytes('file').bytes('../outside/taken'),
    );
    expect(status).toBe(Status.OK);
    expect(fs.readFileSync(join(root, 'outside/taken'), 'utf8')).toBe('inside');
    expect(outsideState()).toEqual(before);
  });
});

describe('a folder that is swapped for a symlink between two requests', () => {
  it('is refused, and an earlier handle keeps its file', async () => {
    const opened = await open('folder/deep/new', write);
    expect(opened.type).toBe(Packet.HANDLE);
    const handle = Buffer.from(opened.body.bytes());
    fs.renameSync(join(root, 'folder/deep'), join(root, 'moved'));
    fs.symlinkSync(outside, join(root, 'folder/deep'));
    const before = outsideState();
    expect((await open('folder/deep/evil', write)).status).toBe(Status.PERMISSION_DENIED);
    expect((await ask(Packet.WRITE, (w) => w.bytes(handle).u64(0).bytes('data'))).status).toBe(Status.OK);
    expect(fs.readFileSync(join(root, 'moved/new'), 'utf8')).toBe('data');
    expect(outsideState()).toEqual(before);
  });

  it('or during the walk: the action applies to the folder that was opened', () => {
    folder.at(Buffer.from('folder/deep/new'), (place) => {
      fs.renameSync(join(root, 'folder/deep'), join(root, 'moved'));
      fs.symlinkSync(outside, join(root, 'folder/deep'));
      fs.writeFileSync(place, 'data');
    });
    expect(fs.readFileSync(join(root, 'moved/new'), 'utf8')).toBe('data');
    expect(fs.existsSync(join(outside, 'new'))).toBe(false);
  });

  it('leaves no descriptor open', async () => {
    const count = (): number => fs.readdirSync('/proc/self/fd').length;
    const before = count();
    for (const [, request] of [...requests.slice(3, 7), ...changes]) {
      for (const hostile of [...throughLinks, ...toLinks, 'file/x', 'folder/deep/missing'])
        await request(Buffer.from(hostile));
    }
    expect(count()).toBe(before);
  });
});

describe('names', () => {
  it('with NUL are refused', async () => {
    for (const [name, request] of [...requests, ...changes]) {
      const { status } = await request(Buffer.from('file\0.txt'));
      expect.soft({ name, status }).toEqual({ name, status: Status.BAD_MESSAGE });
    }
  });

  it('of 255 bytes are accepted; names of 256 and paths over 4096 are refused', async () => {
    expect((await open('n'.repeat(255), write)).type).toBe(Packet.HANDLE);
    expect((await open('n'.repeat(256), write)).status).toBe(Status.BAD_MESSAGE);
    expect((await open('d/'.repeat(2049), write)).status).toBe(Status.BAD_MESSAGE);
  });

  it('that are not UTF-8 are kept byte for byte, on disk and in listings', async () => {
    const rawFolder = Buffer.from('f\xe4\xff', 'latin1');
    const rawFile = Buffer.from('\xc3\x28-\x80', 'latin1');
    const rawPath = Buffer.concat([rawFolder, Buffer.from('/'), rawFile]);
    expect((await ask(Packet.MKDIR, (w) => w.bytes(rawFolder).attributes({}))).status).toBe(Status.OK);
    expect((await open(rawPath, write)).type).toBe(Packet.HANDLE);
    const onDisk = fs.readdirSync(Buffer.concat([Buffer.from(`${root}/`), rawFolder]), { encoding: 'buffer' });
    expect(onDisk).toEqual([rawFile]);
    const handle = Buffer.from((await ask(Packet.OPENDIR, (w) => w.bytes(rawFolder))).body.bytes());
    const { body } = await ask(Packet.READDIR, (w) => w.bytes(handle));
    expect(body.u32()).toBe(1);
    expect(Buffer.from(body.bytes())).toEqual(rawFile);
  });
});

describe('handles', () => {
  it('that are unknown or closed are refused', async () => {
    const opened = await open('file', OpenFlag.READ);
    const handle = Buffer.from(opened.body.bytes());
    expect((await ask(Packet.CLOSE, (w) => w.bytes(handle))).status).toBe(Status.OK);
    for (const id of [handle, Buffer.alloc(4), Buffer.from([0, 0, 0, 9]), Buffer.alloc(0), Buffer.alloc(300, 1)]) {
      for (const type of [Packet.FSTAT, Packet.CLOSE, Packet.READDIR]) {
        expect.soft((await ask(type, (w) => w.bytes(id))).status).toBe(Status.FAILURE);
      }
      expect.soft((await ask(Packet.READ, (w) => w.bytes(id).u64(0).u32(10))).status).toBe(Status.FAILURE);
      expect.soft((await ask(Packet.EXTENDED, (w) => w.bytes(Extension.FSYNC).bytes(id))).status).toBe(Status.FAILURE);
    }
  });

  it('are limited, and a close frees one', async () => {
    const given: Buffer[] = [];
    for (let count = 0; count < 8; count += 1)
      given.push(Buffer.from((await open('file', OpenFlag.READ)).body.bytes()));
    expect((await open('file', OpenFlag.READ)).status).toBe(Status.FAILURE);
    expect((await ask(Packet.OPENDIR, (w) => w.bytes('/'))).status).toBe(Status.FAILURE);
    await ask(Packet.CLOSE, (w) => w.bytes(given[0] ?? Buffer.alloc(0)));
    expect((await open('file', OpenFlag.READ)).type).toBe(Packet.HANDLE);
  });

  it('are opened for files and folders only', async () => {
    execFileSync('mkfifo', [join(root, 'fifo')]);
    expect((await open('fifo', OpenFlag.READ)).status).toBe(Status.PERMISSION_DENIED);
    expect((await ask(Packet.SETSTAT, (w) => w.bytes('fifo').attributes({ permissions: 0o777 }))).status).toBe(
      Status.PERMISSION_DENIED,
    );
  });

  it('of a folder can be fsynced, as clients do to make names durable', async () => {
    const handle = Buffer.from((await open('folder', OpenFlag.READ)).body.bytes());
    expect((await ask(Packet.EXTENDED, (w) => w.bytes(Extension.FSYNC).bytes(handle))).status).toBe(Status.OK);
  });
});

describe('RENAME of version 3', () => {
  it('never replaces, neither files nor folders', async () => {
    fs.writeFileSync(join(root, 'other'), 'other');
    expect((await ask(Packet.RENAME, (w) => w.bytes('other').bytes('file'))).status).toBe(Status.FAILURE);
    expect((await ask(Packet.RENAME, (w) => w.bytes('folder').bytes('file'))).status).toBe(Status.FAILURE);
    expect((await ask(Packet.RENAME, (w) => w.bytes('missing').bytes('file'))).status).toBe(Status.NO_SUCH_FILE);
    expect(fs.readFileSync(join(root, 'file'), 'utf8')).toBe('inside');
    expect((await ask(Packet.RENAME, (w) => w.bytes('other').bytes('third'))).status).toBe(Status.OK);
    expect((await ask(Packet.RENAME, (w) => w.bytes('folder').bytes('moved'))).status).toBe(Status.OK);
    expect(fs.readdirSync(root).sort()).not.toContain('other');
    expect(fs.lstatSync(join(root, 'third')).nlink).toBe(1);
  });
});

describe('a malformed packet', () => {
  it('ends the session', () => {
    expect(() => session.serve(Buffer.from([Packet.OPEN, 0, 0]))).toThrow(MalformedPacketError);
    expect(() => session.serve(Buffer.from([Packet.OPEN, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff]))).toThrow(
      MalformedPacketError,
    );
    expect(() =>
      createRequestServer({ log: silentLog, folder, handles, rules: unrestricted, reply: new PacketWriter() })(
        Buffer.from([Packet.STAT, 0, 0, 0, 1]),
      ),
    ).toThrow(MalformedPacketError);
  });

  it('with an unknown type or extension is answered as unsupported', async () => {
    expect((await ask(99, (w) => w)).status).toBe(Status.OP_UNSUPPORTED);
    expect((await ask(Packet.EXTENDED, (w) => w.bytes('toString'))).status).toBe(Status.OP_UNSUPPORTED);
  });
});
