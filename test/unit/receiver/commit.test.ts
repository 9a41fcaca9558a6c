import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/receiver/client-log.ts';
import { createAppendOnlyRules } from '../../../src/receiver/append-only.ts';
import { unrestricted, type ChangeRules } from '../../../src/receiver/change-rules.ts';
import { openConfinedFolder, type ConfinedFolder } from '../../../src/receiver/confined-folder.ts';
import { createHandles, type Handles } from '../../../src/receiver/handles.ts';
import { PacketWriter } from '../../../src/sftp/packet-writer.ts';
import { CommitKind, Extension, OpenFlag, Packet, Status } from '../../../src/sftp/protocol.ts';
import { commitFields, sha256Of, type CommitFields } from '../../support/commit-request.ts';
import { openSession } from '../../support/request-client.ts';

const TEMPORARY = '.isocket-0123abcd-1.part';
const BIG = Buffer.alloc(700_000, 'big');

let home: string;
let root: string;
let folder: ConfinedFolder;
let handles: Handles;
let descriptors: number;

const countDescriptors = (): number => fs.readdirSync('/proc/self/fd').length;

beforeEach(() => {
  descriptors = countDescriptors();
  home = fs.mkdtempSync(join(tmpdir(), 'isocket-commit-'));
  root = join(home, 'root');
  fs.mkdirSync(join(root, 'folder'), { recursive: true });
  fs.mkdirSync(join(home, 'outside'));
  fs.symlinkSync('../outside', join(root, 'link'));
  folder = openConfinedFolder(root);
  handles = createHandles(8);
});

afterEach(() => {
  handles.closeAll();
  folder[Symbol.dispose]();
  expect(countDescriptors()).toBe(descriptors);
  expect(fs.readdirSync(join(home, 'outside'))).toEqual([]);
  fs.rmSync(home, { recursive: true });
});

const write = (name: string, content: Buffer | string): void => {
  fs.writeFileSync(join(root, name), content);
  fs.utimesSync(join(root, name), 1_000_000_000, 1_000_000_000);
};
const read = (name: string): Buffer => fs.readFileSync(join(root, name));
const names = (): string[] => fs.readdirSync(root).sort();

const commit = async (fields: CommitFields, rules: ChangeRules = unrestricted) => {
  const { ask } = openSession({ folder, handles, rules });
  const { type, status, body } = await ask(Packet.EXTENDED, commitFields(fields));
  if (type !== Packet.EXTENDED_REPLY) return { status, message: body.text(), held: undefined };
  const held = {
    size: body.u64(),
    permissions: body.u32() & 0o7777,
    mtime: body.u32(),
    mtimeNs: body.u32(),
    sha256: Buffer.from(body.bytes()),
  };
  expect(body.remaining).toBe(0);
  return { status, message: '', held };
};

describe('a commit of a whole file', () => {
  it.each([0, 1])('gives it its name with content, permissions and times, and tells them (flags %i)', async (flags) => {
    const content = Buffer.from('the content');
    const { held } = await commit({ content, flags, path: 'folder/new', permissions: 0o4751, mtimeNs: 123_456_789 });
    const { mode, mtimeMs, atimeMs } = fs.lstatSync(join(root, 'folder/new'));
    expect(read('folder/new')).toEqual(content);
    expect(mode & 0o7777).toBe(0o751);
    expect([mtimeMs, atimeMs].map(Math.floor)).toEqual([1_000_000_000_123, 1_000_000_000_123]);
    expect(held).toMatchObject({ size: 11, permissions: 0o751, mtime: 1_000_000_000, sha256: sha256Of(content) });
    expect(Math.abs((held?.mtimeNs ?? 0) - 123_456_789)).toBeLessThan(2_000);
    expect(fs.readdirSync(join(root, 'folder'))).toEqual(['new']);
  });

  it('keeps the second of every time', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: 0xffff_ffff }), fc.nat({ max: 999_999_999 }), async (mtime, mtimeNs) => {
        const { held } = await commit({ flags: 0, mtime, mtimeNs });
        expect(held?.mtime).toBe(mtime);
      }),
      { numRuns: 200, examples: [[4_294_967_295, 999_999_999]] },
    );
  });

  it('takes one of no bytes, and one as large as a packet allows', async () => {
    expect((await commit({ content: Buffer.alloc(0), path: 'empty' })).held?.size).toBe(0);
    const content = Buffer.alloc(200_000, 'x');
    expect((await commit({ content, path: 'large' })).held?.size).toBe(200_000);
    expect(read('large')).toEqual(content);
  });

  it('replaces a file', async () => {
    write('new', 'old');
    expect((await commit({})).status).toBe(Status.OK);
    expect(read('new').toString()).toBe('content');
  });

  it.each<[string, CommitFields, number]>([
    ['another SHA-256', { sha256: sha256Of('other') }, Status.FAILURE],
    ['another size', { size: 6 }, Status.FAILURE],
    ['a short SHA-256', { sha256: Buffer.alloc(31) }, Status.BAD_MESSAGE],
    ['a folder that is missing', { path: 'missing/new' }, Status.NO_SUCH_FILE],
    ['a folder that is a link', { path: 'link/new' }, Status.PERMISSION_DENIED],
    ['the name of a folder', { path: 'folder' }, Status.FAILURE],
    ['no name', { path: 'folder/' }, Status.BAD_MESSAGE],
    ['the root', { path: '/' }, Status.BAD_MESSAGE],
    ['the folder above', { path: 'folder/..' }, Status.BAD_MESSAGE],
    ['a temporary name of others', { temporary: 'x.part' }, Status.BAD_MESSAGE],
    ['a temporary name with a folder', { temporary: '.isocket-0123abcd-/../x.part' }, Status.BAD_MESSAGE],
    ['a temporary name that is in use', { temporary: '.isocket-0123abcd-2.part' }, Status.FAILURE],
    ['nanoseconds of more than a second', { mtimeNs: 1_000_000_000 }, Status.BAD_MESSAGE],
    ['an unknown kind', { kind: 3 }, Status.BAD_MESSAGE],
    ['unknown flags', { flags: 2 }, Status.BAD_MESSAGE],
  ])('with %s changes nothing', async (_, fields, status) => {
    write('.isocket-0123abcd-2.part', 'of another attempt');
    const before = names();
    expect((await commit(fields)).status).toBe(status);
    expect(names()).toEqual(before);
    expect(fs.readdirSync(join(root, 'folder'))).toEqual([]);
    expect(read('.isocket-0123abcd-2.part').toString()).toBe('of another attempt');
  });

  it('adds files, and changes none, where clients may only add', async () => {
    const rules = createAppendOnlyRules();
    expect((await commit({}, rules)).status).toBe(Status.OK);
    expect((await commit({}, rules)).held).toMatchObject({ size: 7, mtime: 1_000_000_000 });
    const { status, message } = await commit({ content: Buffer.from('changed') }, rules);
    expect(status).toBe(Status.PERMISSION_DENIED);
    expect(message).toContain('append-only');
    expect(read('new').toString()).toBe('content');
    expect(names()).toEqual(['folder', 'link', 'new']);
  });
});

it('gives no name for a client that has gone meanwhile', async () => {
  const { ask } = openSession({ folder, handles, rules: unrestricted, isOver: () => true });
  expect((await ask(Packet.EXTENDED, commitFields({}))).status).toBe(Status.FAILURE);
  write(TEMPORARY, BIG);
  const written = { kind: CommitKind.WRITTEN, content: BIG };
  expect((await ask(Packet.EXTENDED, commitFields(written))).status).toBe(Status.FAILURE);
  expect(names()).toEqual([TEMPORARY, 'folder', 'link']);
});

describe('a commit of what was written', () => {
  const written = { kind: CommitKind.WRITTEN, content: BIG, path: 'big' } as const;

  it.each([0, 1])('gives it its name (flags %i)', async (flags) => {
    write(TEMPORARY, BIG);
    const { held } = await commit({ ...written, flags, mtime: 1_234_567_890 });
    expect(held).toMatchObject({ size: BIG.length, permissions: 0o640, mtime: 1_234_567_890, sha256: sha256Of(BIG) });
    expect(read('big')).toEqual(BIG);
    expect(names()).toEqual(['big', 'folder', 'link']);
  });

  it('removes it where the content is another', async () => {
    const other = Buffer.from(BIG);
    other[650_000] = 0;
    write(TEMPORARY, other);
    const { status, message } = await commit(written);
    expect(status).toBe(Status.FAILURE);
    expect(message).toContain('SHA-256');
    expect(names()).toEqual(['folder', 'link']);
  });

  it('leaves it to its client where it is not whole, or cannot get its name', async () => {
    write(TEMPORARY, BIG.subarray(1));
    expect(await commit(written)).toMatchObject({ status: Status.FAILURE, message: /699999 bytes, not 700000/ });
    write(TEMPORARY, BIG);
    expect((await commit({ ...written, path: 'folder' })).status).toBe(Status.FAILURE);
    expect(names()).toEqual([TEMPORARY, 'folder', 'link']);
  });

  it.each<[string, () => void]>([
    [
      'another file has its temporary name',
      () => {
        fs.unlinkSync(join(root, TEMPORARY));
        write(TEMPORARY, 'half');
      },
    ],
    ['it was shortened', () => fs.truncateSync(join(root, TEMPORARY), 7)],
    ['it was overwritten', () => fs.writeFileSync(join(root, TEMPORARY), Buffer.alloc(BIG.length))],
    ['it is gone', () => fs.unlinkSync(join(root, TEMPORARY))],
  ])('gives no name where meanwhile %s', async (_, change) => {
    for (const rules of [unrestricted, createAppendOnlyRules()]) {
      write(TEMPORARY, BIG);
      const asked = commit(written, rules);
      // Its content is read in turns of the event loop.
      change();
      expect((await asked).status).not.toBe(Status.OK);
      expect(names()).not.toContain('big');
    }
  });

  it('gives no name where it was changed after it was compared', async () => {
    write(TEMPORARY, BIG);
    const asked = commit(written);
    // Its times are set once it was compared; it is synced then.
    while (fs.statSync(join(root, TEMPORARY)).mode !== 0o100640) await new Promise(setImmediate);
    const fd = fs.openSync(join(root, TEMPORARY), 'r+');
    fs.writeSync(fd, 'other', 0);
    fs.closeSync(fd);
    const { status, message } = await asked;
    expect(status).toBe(Status.FAILURE);
    expect(message).toContain('changed');
    expect(names()).not.toContain('big');
  });

  it('does not take a complete file for one, where clients may only add', async () => {
    write('whole', BIG);
    fs.linkSync(join(root, 'whole'), join(root, TEMPORARY));
    expect((await commit(written, createAppendOnlyRules())).status).toBe(Status.PERMISSION_DENIED);
    expect(fs.statSync(join(root, 'whole')).mode & 0o777).toBe(0o644);
    expect(names()).toContain(TEMPORARY);
  });
});

describe('the sum of a file', () => {
  const sum = async (path: string) => {
    const { ask } = openSession({ folder, handles, rules: unrestricted });
    const { type, status, body } = await ask(Packet.EXTENDED, (packet) => packet.bytes(Extension.SHA256).bytes(path));
    return type === Packet.EXTENDED_REPLY ? { size: body.u64(), sha256: Buffer.from(body.bytes()) } : status;
  };

  it.each([0, 7, 262_143, 262_144, 700_000])('of %i bytes is that of its content', async (size) => {
    write('file', BIG.subarray(0, size));
    expect(await sum('file')).toEqual({ size, sha256: sha256Of(BIG.subarray(0, size)) });
  });

  it('is told of files only, and below the root', async () => {
    write('../outside/secret', 'secret');
    expect(await sum('missing')).toBe(Status.NO_SUCH_FILE);
    expect(await sum('folder')).toBe(Status.FAILURE);
    expect(await sum('link/secret')).toBe(Status.PERMISSION_DENIED);
    expect(await sum('../outside/secret')).toBe(Status.NO_SUCH_FILE);
    fs.rmSync(join(home, 'outside/secret'));
  });
});

it('a sum of what has no end is given up when the client has gone', async () => {
  write('endless', '');
  fs.truncateSync(join(root, 'endless'), 2 ** 42);
  let isOver = false;
  const { ask } = openSession({ folder, handles, rules: unrestricted, isOver: () => isOver });
  const asked = ask(Packet.EXTENDED, (packet) => packet.bytes(Extension.SHA256).bytes('endless'));
  isOver = true;
  expect((await asked).status).toBe(Status.FAILURE);
});

it('many at once are answered each, and others are served meanwhile', async () => {
  const reply = new PacketWriter();
  const aside: Promise<void>[] = [];
  const { createRequestServer } = await import('../../../src/receiver/requests.ts');
  const context = {
    folder,
    handles,
    rules: unrestricted,
    log: silentLog,
    reply,
    aside: (work: Promise<void>) => void aside.push(work),
  };
  const serve = createRequestServer(context);
  void serve(Buffer.from([Packet.INIT, 0, 0, 0, 3]));
  reply.take();
  const send = (id: number, type: number, fields: (writer: PacketWriter) => PacketWriter): unknown => {
    const writer = new PacketWriter();
    fields(writer.begin(type).u32(id)).end();
    return serve(writer.take().subarray(4));
  };
  for (let id = 0; id < 20; id += 1)
    send(id, Packet.EXTENDED, commitFields({ path: `file-${id}`, temporary: `.isocket-0123abcd-${id}.part` }));
  send(99, Packet.OPEN, (writer) =>
    writer
      .bytes('other')
      .u32(OpenFlag.WRITE | OpenFlag.CREAT)
      .attributes({}),
  );
  expect(aside).toHaveLength(20);
  expect(reply.length).toBeGreaterThan(0);
  expect(names().filter((name) => name.startsWith('file-'))).toEqual([]);
  await Promise.all(aside);
  expect(names().filter((name) => name.startsWith('file-'))).toHaveLength(20);
});
