import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAppendOnlyRules } from '../../../src/receiver/append-only.ts';
import type { ChangeRules } from '../../../src/receiver/change-rules.ts';
import { openConfinedFolder, type ConfinedFolder } from '../../../src/receiver/confined-folder.ts';
import { createHandles, type Handles } from '../../../src/receiver/handles.ts';
import { Extension, OpenFlag, Packet, Status } from '../../../src/sftp/protocol.ts';
import { openSession, type Ask } from '../../support/request-client.ts';

const { READ, WRITE, APPEND, CREAT, TRUNC, EXCL } = OpenFlag;
const TEMPORARY = '.isocket-0123abcd-1.part';
const OTHER = '.isocket-89abcdef-2.part';

let root: string;
let folder: ConfinedFolder;
let rules: ChangeRules;
let open: Handles[];
let ask: Ask;

const connect = (): Ask => {
  const handles = createHandles(64);
  open.push(handles);
  return openSession({ folder, handles, rules }).ask;
};

beforeEach(() => {
  root = fs.mkdtempSync(join(tmpdir(), 'isocket-append-only-'));
  fs.mkdirSync(join(root, 'folder'));
  write('whole', 'whole');
  folder = openConfinedFolder(root);
  rules = createAppendOnlyRules();
  open = [];
  ask = connect();
});

afterEach(() => {
  for (const handles of open) handles.closeAll();
  folder[Symbol.dispose]();
  fs.rmSync(root, { recursive: true });
});

const write = (name: string, content: string): void => {
  fs.writeFileSync(join(root, name), content);
  fs.utimesSync(join(root, name), 1_000_000_000, 1_000_000_000);
};
const read = (name: string): string => fs.readFileSync(join(root, name), 'utf8');
const names = (): string[] => fs.readdirSync(root).sort();

const openFile = async (name: string, flags: number, by = ask) => {
  const { status, type, body } = await by(Packet.OPEN, (w) => w.bytes(name).u32(flags).attributes({}));
  return { status, handle: type === Packet.HANDLE ? Buffer.from(body.bytes()) : Buffer.alloc(4) };
};
const writeTo = async (handle: Buffer, content: string, by = ask) =>
  (await by(Packet.WRITE, (w) => w.bytes(handle).u64(0).bytes(content))).status;
const truncate = async (handle: Buffer) =>
  (await ask(Packet.FSETSTAT, (w) => w.bytes(handle).attributes({ size: 0 }))).status;
const close = async (handle: Buffer) => (await ask(Packet.CLOSE, (w) => w.bytes(handle))).status;
const rename = async (from: string, to: string, by = ask) =>
  (await by(Packet.EXTENDED, (w) => w.bytes(Extension.POSIX_RENAME).bytes(from).bytes(to))).status;
const plainRename = async (from: string, to: string) =>
  (await ask(Packet.RENAME, (w) => w.bytes(from).bytes(to))).status;

describe('a complete file', () => {
  it.each([
    ['OPEN to write', async () => (await openFile('whole', WRITE)).status],
    ['OPEN to append', async () => (await openFile('whole', WRITE | APPEND)).status],
    ['OPEN to create', async () => (await openFile('whole', WRITE | CREAT)).status],
    ['OPEN to truncate', async () => (await openFile('whole', WRITE | CREAT | TRUNC)).status],
    ['OPEN to read that truncates', async () => (await openFile('whole', READ | TRUNC)).status],
    ['OPEN by a roundabout path', async () => (await openFile('folder/../whole/.', WRITE)).status],
    ['WRITE through a handle to read', async () => writeTo((await openFile('whole', READ)).handle, 'x')],
    ['FSETSTAT through a handle to read', async () => truncate((await openFile('whole', READ)).handle)],
    ['SETSTAT', async () => (await ask(Packet.SETSTAT, (w) => w.bytes('whole').attributes({ size: 1 }))).status],
    [
      'SETSTAT of times',
      async () => (await ask(Packet.SETSTAT, (w) => w.bytes('whole').attributes({ atime: 1, mtime: 1 }))).status,
    ],
    [
      'SETSTAT of permissions',
      async () => (await ask(Packet.SETSTAT, (w) => w.bytes('whole').attributes({ permissions: 0 }))).status,
    ],
    ['REMOVE', async () => (await ask(Packet.REMOVE, (w) => w.bytes('whole'))).status],
    ['RENAME', () => plainRename('whole', 'moved')],
    ['posix-rename', () => rename('whole', 'moved')],
    ['posix-rename to a temporary name', () => rename('whole', TEMPORARY)],
    ['RENAME of its folder', () => plainRename('folder', 'moved')],
    ['posix-rename of its folder', () => rename('folder', TEMPORARY)],
    ['RMDIR', async () => (await ask(Packet.RMDIR, (w) => w.bytes('folder'))).status],
    [
      'posix-rename of a folder with a temporary name',
      () => {
        fs.mkdirSync(join(root, OTHER));
        write(`${OTHER}/inside`, 'inside');
        return rename(OTHER, 'moved').finally(() => fs.rmSync(join(root, OTHER), { recursive: true }));
      },
    ],
    [
      'SETSTAT of its folder',
      async () => (await ask(Packet.SETSTAT, (w) => w.bytes('').attributes({ permissions: 0 }))).status,
    ],
    [
      'FSETSTAT of its folder',
      async () => {
        const { body } = await ask(Packet.OPENDIR, (w) => w.bytes('folder'));
        const handle = Buffer.from(body.bytes());
        return (await ask(Packet.FSETSTAT, (w) => w.bytes(handle).attributes({ permissions: 0 }))).status;
      },
    ],
  ])('is not changed by %s', async (_, act) => {
    const state = () => JSON.stringify(['whole', 'folder', ''].map((name) => fs.statSync(join(root, name)).mode));
    const before = { state: state(), times: fs.statSync(join(root, 'whole')).mtimeMs };
    expect(await act()).toBe(Status.PERMISSION_DENIED);
    expect(read('whole')).toBe('whole');
    expect({ state: state(), times: fs.statSync(join(root, 'whole')).mtimeMs }).toEqual(before);
    expect(names()).toEqual(['folder', 'whole']);
  });

  it('is complete once its handle is closed', async () => {
    const { handle } = await openFile('new', WRITE | CREAT | TRUNC);
    expect(await writeTo(handle, 'half')).toBe(Status.OK);
    expect((await openFile('new', WRITE, connect())).status).toBe(Status.PERMISSION_DENIED);
    expect(await writeTo(handle, 'content')).toBe(Status.OK);
    expect(await close(handle)).toBe(Status.OK);
    expect((await openFile('new', WRITE)).status).toBe(Status.PERMISSION_DENIED);
    expect(read('new')).toBe('content');
  });

  it('does not count as delivered while another client that creates it may still change it', async () => {
    const other = connect();
    const attributes = { atime: 1_000_000_000, mtime: 1_000_000_000 };
    const { handle } = await openFile('new', WRITE | CREAT | EXCL, other);
    expect(await writeTo(handle, 'content', other)).toBe(Status.OK);
    await other(Packet.FSETSTAT, (w) => w.bytes(handle).attributes(attributes));
    write(TEMPORARY, 'content');
    expect(await rename(TEMPORARY, 'new')).toBe(Status.PERMISSION_DENIED);
    expect(names()).toContain(TEMPORARY);
    expect((await other(Packet.CLOSE, (w) => w.bytes(handle))).status).toBe(Status.OK);
    expect(await rename(TEMPORARY, 'new')).toBe(Status.OK);
    expect(names()).not.toContain(TEMPORARY);
    expect(read('new')).toBe('content');
  });

  it('is complete once it is renamed to its final name, even while another client has it open', async () => {
    const { handle } = await openFile(TEMPORARY, WRITE | CREAT | EXCL);
    expect(await writeTo(handle, 'content')).toBe(Status.OK);
    expect(await rename(TEMPORARY, 'new', connect())).toBe(Status.OK);
    expect(await writeTo(handle, 'changed')).toBe(Status.PERMISSION_DENIED);
    expect(await truncate(handle)).toBe(Status.PERMISSION_DENIED);
    expect(read('new')).toBe('content');
  });

  it('is protected under its temporary name, too, where a RENAME was interrupted between link and unlink', async () => {
    fs.linkSync(join(root, 'whole'), join(root, TEMPORARY));
    expect((await openFile(TEMPORARY, WRITE)).status).toBe(Status.PERMISSION_DENIED);
    expect((await openFile(TEMPORARY, WRITE | TRUNC)).status).toBe(Status.PERMISSION_DENIED);
    const sized = await ask(Packet.SETSTAT, (w) => w.bytes(TEMPORARY).attributes({ size: 1 }));
    expect(sized.status).toBe(Status.PERMISSION_DENIED);
    expect((await ask(Packet.REMOVE, (w) => w.bytes(TEMPORARY))).status).toBe(Status.OK);
    expect(read('whole')).toBe('whole');
  });
});

it('the folder of a check can be removed once it is empty, and no other one', async () => {
  const probe = '.isocket-0123abcd-probe';
  const rmdir = async (path: string) => (await ask(Packet.RMDIR, (w) => w.bytes(path))).status;
  for (const path of [probe, `${probe}/below`, `${probe}/other`]) fs.mkdirSync(join(root, path));
  expect(await rmdir(`${probe}/other`)).toBe(Status.PERMISSION_DENIED);
  expect(await rmdir('below')).toBe(Status.PERMISSION_DENIED);
  expect(await rmdir(`${probe}/below`)).toBe(Status.OK);
  expect(await rmdir(probe)).toBe(Status.FAILURE);
  fs.rmdirSync(join(root, probe, 'other'));
  expect(await rmdir(probe)).toBe(Status.OK);
  expect(names()).toEqual(['folder', 'whole']);
});

describe('a temporary file', () => {
  it('can be written, continued, renamed over another temporary file and removed', async () => {
    const first = await openFile(TEMPORARY, WRITE | CREAT | EXCL);
    expect(await writeTo(first.handle, 'begun')).toBe(Status.OK);
    expect(await close(first.handle)).toBe(Status.OK);
    const second = await openFile(TEMPORARY, WRITE);
    expect(await writeTo(second.handle, 'continued')).toBe(Status.OK);
    expect(await close(second.handle)).toBe(Status.OK);
    write(OTHER, 'other');
    expect(await rename(TEMPORARY, OTHER)).toBe(Status.OK);
    expect(read(OTHER)).toBe('continued');
    expect((await ask(Packet.REMOVE, (w) => w.bytes(OTHER))).status).toBe(Status.OK);
    expect(names()).toEqual(['folder', 'whole']);
  });

  it.each([rename, plainRename])('can be renamed to a free name', async (by) => {
    write(TEMPORARY, 'content');
    expect(await by(TEMPORARY, 'folder/new')).toBe(Status.OK);
    expect(read('folder/new')).toBe('content');
  });

  it('is removed by a rename onto an identical file, which succeeds', async () => {
    const big = 'x'.repeat(600_000);
    write('big', big);
    write(TEMPORARY, big);
    const before = fs.statSync(join(root, 'big'), { bigint: true });
    expect(await rename(TEMPORARY, 'big')).toBe(Status.OK);
    const after = fs.statSync(join(root, 'big'), { bigint: true });
    expect({ ino: after.ino, mtimeNs: after.mtimeNs }).toEqual({ ino: before.ino, mtimeNs: before.mtimeNs });
    expect(names()).toEqual(['big', 'folder', 'whole']);
  });

  it.each<[string, () => void]>([
    ['a byte', () => write(TEMPORARY, 'wholE')],
    ['its size', () => write(TEMPORARY, 'whole and more')],
    [
      'its time',
      () => {
        write(TEMPORARY, 'whole');
        fs.utimesSync(join(root, TEMPORARY), 1_000_000_001, 1_000_000_001);
      },
    ],
  ])('cannot be renamed onto a file that differs in %s', async (_, make) => {
    make();
    expect(await rename(TEMPORARY, 'whole')).toBe(Status.PERMISSION_DENIED);
    expect(read('whole')).toBe('whole');
    expect(names()).toContain(TEMPORARY);
    expect(await rename(TEMPORARY, 'folder')).toBe(Status.PERMISSION_DENIED);
    expect(await plainRename(TEMPORARY, 'whole')).toBe(Status.FAILURE);
    expect(read('whole')).toBe('whole');
  });
});

/** Requests of two clients. Few names, so that they collide. */
const name = fc.constantFrom('whole', 'new', 'folder', TEMPORARY, OTHER, `${OTHER}/inside`);
const usual = fc.constantFrom(READ, WRITE, WRITE | CREAT, WRITE | CREAT | TRUNC);
const any = fc
  .subarray([READ, WRITE, APPEND, CREAT, TRUNC, EXCL])
  .map((some) => some.reduce((sum, flag) => sum | flag, 0));
const flags = fc.oneof(usual, usual, any);
const handle = fc.nat({ max: 4 }).map((number) => Buffer.from([0, 0, 0, number]));
const content = fc.string({ maxLength: 3 });
const attributes = fc.constantFrom({ size: 0 }, { size: 2 }, { permissions: 0o600 }, { atime: 7, mtime: 7 });
const request = fc.oneof(
  fc.tuple(fc.constant('open' as const), name, flags),
  fc.tuple(fc.constant('opendir' as const), name),
  fc.tuple(fc.constant('write' as const), handle, content),
  fc.tuple(fc.constant('fsetstat' as const), handle, attributes),
  fc.tuple(fc.constant('close' as const), handle),
  fc.tuple(fc.constant('setstat' as const), name, attributes),
  fc.tuple(fc.constant('remove' as const), name),
  fc.tuple(fc.constant('mkdir' as const), name),
  fc.tuple(fc.constant('rmdir' as const), name),
  fc.tuple(fc.constant('rename' as const), name, name),
  fc.tuple(fc.constant('posix-rename' as const), name, name),
);
type Request = typeof request extends fc.Arbitrary<infer Value> ? Value : never;

const send = (by: Ask, what: Request) => {
  switch (what[0]) {
    case 'open':
      return by(Packet.OPEN, (w) => w.bytes(what[1]).u32(what[2]).attributes({}));
    case 'opendir':
      return by(Packet.OPENDIR, (w) => w.bytes(what[1]));
    case 'write':
      return by(Packet.WRITE, (w) => w.bytes(what[1]).u64(0).bytes(what[2]));
    case 'fsetstat':
      return by(Packet.FSETSTAT, (w) => w.bytes(what[1]).attributes(what[2]));
    case 'close':
      return by(Packet.CLOSE, (w) => w.bytes(what[1]));
    case 'setstat':
      return by(Packet.SETSTAT, (w) => w.bytes(what[1]).attributes(what[2]));
    case 'remove':
      return by(Packet.REMOVE, (w) => w.bytes(what[1]));
    case 'mkdir':
      return by(Packet.MKDIR, (w) => w.bytes(what[1]).attributes({}));
    case 'rmdir':
      return by(Packet.RMDIR, (w) => w.bytes(what[1]));
    case 'rename':
      return by(Packet.RENAME, (w) => w.bytes(what[1]).bytes(what[2]));
    case 'posix-rename':
      return by(Packet.EXTENDED, (w) => w.bytes(Extension.POSIX_RENAME).bytes(what[1]).bytes(what[2]));
  }
};

it('no sequence of requests by two clients changes a complete file', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat({ max: 1 }), request), { minLength: 20, maxLength: 60, size: 'max' }),
      async (requests) => {
        for (const path of names()) fs.rmSync(join(root, path), { recursive: true });
        fs.mkdirSync(join(root, 'folder'));
        write('whole', 'whole');
        const clients = [connect(), connect()];
        /** By client and handle: a file that is being created under its final name. */
        const incomplete = new Map<string, string>();
        const complete = () => {
          const making = new Set(incomplete.values());
          return fs
            .readdirSync(root, { recursive: true, encoding: 'utf8' })
            .filter((path) => !path.endsWith('.part') && !making.has(path))
            .map((path) => ({ path, stats: fs.lstatSync(join(root, path), { bigint: true }) }))
            .filter(({ stats }) => stats.isFile())
            .map(({ path, stats }) => `${path}: ${stats.ino} ${stats.mode} ${stats.mtimeNs} ${read(path)}`);
        };
        let before = complete();
        for (const [number, what] of requests) {
          const by = clients[number];
          if (!by) throw new Error('no such client');
          const { type, status, body } = await send(by, what);
          if (what[0] === 'open' && type === Packet.HANDLE && (what[2] & ~(READ | EXCL)) !== 0) {
            incomplete.set(`${number} ${Buffer.from(body.bytes()).toString('hex')}`, what[1]);
          }
          if (what[0] === 'close' && status === Status.OK) incomplete.delete(`${number} ${what[1].toString('hex')}`);
          const after = complete();
          expect(after).toEqual(expect.arrayContaining(before));
          before = after;
        }
        for (const handles of open.splice(0)) handles.closeAll();
      },
    ),
    { numRuns: 300 },
  );
});

describe('a rename onto a file of the same size', () => {
  const isOver = { now: false };
  const connectUntil = (): Ask => {
    const handles = createHandles(64);
    open.push(handles);
    return openSession({ folder, handles, rules, isOver: () => isOver.now }).ask;
  };
  const endless = (name: string): void => {
    write(name, '');
    fs.truncateSync(join(root, name), 2 ** 42);
    fs.utimesSync(join(root, name), 1_000_000_000, 1_000_000_000);
  };

  it('is given up when the client has gone: to compare them may take years', async () => {
    endless('whole');
    endless(TEMPORARY);
    isOver.now = false;
    const asked = rename(TEMPORARY, 'whole', connectUntil());
    isOver.now = true;
    expect(await asked).toBe(Status.FAILURE);
    expect(names()).toEqual([TEMPORARY, 'folder', 'whole']);
  });

  it('is refused where the temporary file is another one when they have been compared', async () => {
    rules = createAppendOnlyRules({ keepVersions: true });
    isOver.now = false;
    write('whole', 'x'.repeat(900_000));
    write(TEMPORARY, 'x'.repeat(899_999) + 'y');
    const asked = rename(TEMPORARY, 'whole', connectUntil());
    fs.unlinkSync(join(root, TEMPORARY));
    write(TEMPORARY, 'half');
    expect(await asked).toBe(Status.FAILURE);
    expect(names()).toEqual([TEMPORARY, 'folder', 'whole']);
    expect(fs.statSync(join(root, 'whole')).size).toBe(900_000);
  });
});
