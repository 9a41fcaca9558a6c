import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAppendOnlyRules } from '../../../src/receiver/append-only.ts';
import { createAtomicPuts } from '../../../src/receiver/atomic-puts.ts';
import { openConfinedFolder, type ConfinedFolder } from '../../../src/receiver/confined-folder.ts';
import { createHandles, type Handles } from '../../../src/receiver/handles.ts';
import { keepVersion } from '../../../src/receiver/kept-versions.ts';
import { Extension, OpenFlag, Packet, Status } from '../../../src/sftp/protocol.ts';
import { commitFields } from '../../support/commit-request.ts';
import { openSession, type Ask } from '../../support/request-client.ts';

const PUT = OpenFlag.WRITE | OpenFlag.CREAT | OpenFlag.TRUNC;
const TEMPORARY = '.isocket-0123abcd-1.part';

let root: string;
let folder: ConfinedFolder;
let open: Handles[];

beforeEach(() => {
  root = fs.mkdtempSync(join(tmpdir(), 'isocket-versions-'));
  folder = openConfinedFolder(root);
  open = [];
  write('file', 'first');
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
const contents = (): Record<string, string> =>
  Object.fromEntries(fs.readdirSync(root).map((name) => [name, fs.readFileSync(join(root, name), 'utf8')]));

const connect = ({ isAtomic = false } = {}): Ask => {
  const handles = createHandles(64);
  open.push(handles);
  const rules = createAppendOnlyRules({ keepVersions: true });
  return openSession({ folder, handles, rules: isAtomic ? createAtomicPuts(rules, folder) : rules }).ask;
};

const put = async (ask: Ask, name: string, content: string, flags: number = PUT): Promise<number> => {
  const { status, type, body } = await ask(Packet.OPEN, (w) => w.bytes(name).u32(flags).attributes({}));
  if (type !== Packet.HANDLE) return status;
  const handle = Buffer.from(body.bytes());
  await ask(Packet.WRITE, (w) => w.bytes(handle).u64(0).bytes(content));
  return (await ask(Packet.CLOSE, (w) => w.bytes(handle))).status;
};

const rename = async (ask: Ask, from: string, to: string): Promise<number> =>
  (await ask(Packet.EXTENDED, (w) => w.bytes(Extension.POSIX_RENAME).bytes(from).bytes(to))).status;

describe.each([false, true])('what is replaced stays beside (atomic puts: %s)', (isAtomic) => {
  it('by a put, under the next number', async () => {
    const ask = connect({ isAtomic });
    expect(await put(ask, 'file', 'second')).toBe(Status.OK);
    expect(await put(ask, 'file', 'third')).toBe(Status.OK);
    expect(await put(ask, 'other', 'new')).toBe(Status.OK);
    expect(contents()).toEqual({ file: 'third', 'file.~1~': 'first', 'file.~2~': 'second', other: 'new' });
  });

  it('by a rename and by a commit', async () => {
    const ask = connect({ isAtomic });
    write(TEMPORARY, 'second');
    expect(await rename(ask, TEMPORARY, 'file')).toBe(Status.OK);
    await ask(Packet.EXTENDED, commitFields({ path: 'file', content: Buffer.from('third') }));
    expect(contents()).toEqual({ file: 'third', 'file.~1~': 'first', 'file.~2~': 'second' });
  });

  it('and the same file again makes no version', async () => {
    const ask = connect({ isAtomic });
    write(TEMPORARY, 'first');
    expect(await rename(ask, TEMPORARY, 'file')).toBe(Status.OK);
    expect(contents()).toEqual({ file: 'first' });
  });

  it('and nothing else is allowed', async () => {
    const ask = connect({ isAtomic });
    await put(ask, 'file', 'second');
    for (const name of ['file', 'file.~1~']) {
      expect((await ask(Packet.REMOVE, (w) => w.bytes(name))).status).toBe(Status.PERMISSION_DENIED);
      expect(await put(ask, name, 'x', OpenFlag.WRITE)).toBe(Status.PERMISSION_DENIED);
      expect(await put(ask, name, 'x', OpenFlag.WRITE | OpenFlag.TRUNC)).toBe(Status.PERMISSION_DENIED);
      expect(await put(ask, name, 'x', PUT | OpenFlag.EXCL)).not.toBe(Status.OK);
      expect(await rename(ask, name, 'new')).toBe(Status.PERMISSION_DENIED);
    }
    fs.mkdirSync(join(root, 'folder'));
    write(TEMPORARY, 'x');
    expect(await rename(ask, TEMPORARY, 'folder')).not.toBe(Status.OK);
    expect(fs.statSync(join(root, 'folder')).isDirectory()).toBe(true);
    fs.rmdirSync(join(root, 'folder'));
    expect(contents()).toEqual({ file: 'second', 'file.~1~': 'first', [TEMPORARY]: 'x' });
  });
});

const nothing = (): void => undefined;

it('a file that cannot be replaced has its name again', () => {
  const file = join(root, 'file');
  const failing = (act: () => void) => () => {
    act();
    throw new Error('full');
  };
  expect(() => keepVersion(file, failing(nothing))).toThrow('full');
  expect(contents().file).toBe('first');
  expect(() =>
    keepVersion(
      file,
      failing(() => fs.unlinkSync(file)),
    ),
  ).toThrow('full');
  expect(contents()).toEqual({ file: 'first' });
});

describe('the number', () => {
  it('is one more than the highest, whatever is between', () => {
    for (const name of ['file.~3~', 'file.~x~', 'file.~04~', 'file.~9~.old', 'other.~7~']) write(name, 'old');
    keepVersion(join(root, 'file'), nothing);
    expect(contents()['file.~4~']).toBe('first');
  });

  it('is used once for a file that a killed receiver has kept and not replaced', () => {
    keepVersion(join(root, 'file'), nothing);
    keepVersion(join(root, 'file'), nothing);
    expect(Object.keys(contents())).toEqual(['file', 'file.~1~']);
  });

  it('stands behind a name of any bytes', () => {
    const name = Buffer.from([0xff, 0x2e, 0x7e]);
    const path = Buffer.concat([Buffer.from(`${root}/`), name]);
    fs.writeFileSync(path, 'bytes');
    keepVersion(path, nothing);
    expect(fs.readFileSync(Buffer.concat([path, Buffer.from('.~1~')]), 'utf8')).toBe('bytes');
  });
});

it('a file that is still written is not replaced', async () => {
  const [one, other] = [connect(), connect()];
  await one(Packet.OPEN, (w) => w.bytes('fresh').u32(PUT).attributes({}));
  expect(await put(one, 'fresh', 'x')).toBe(Status.PERMISSION_DENIED);
  expect(contents().fresh).toBe('');
  expect(await put(other, 'file', 'second')).toBe(Status.OK);
});
