import { execa } from 'execa';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createAppendOnlyRules } from '../../src/receiver/append-only.ts';
import { createAtomicPuts } from '../../src/receiver/atomic-puts.ts';
import { unrestricted, type ChangeRules } from '../../src/receiver/change-rules.ts';
import { openConfinedFolder, type ConfinedFolder } from '../../src/receiver/confined-folder.ts';
import { createHandles } from '../../src/receiver/handles.ts';
import { OpenFlag, Packet, Status } from '../../src/sftp/protocol.ts';
import { openSession } from '../support/request-client.ts';
import { mountSick } from '../support/sick-mount.ts';

const TEMPORARY = '.isocket-0123abcd-1.part';
const PUT = OpenFlag.WRITE | OpenFlag.CREAT | OpenFlag.TRUNC;

let home: string;
beforeEach(() => {
  home = fs.mkdtempSync(join(tmpdir(), 'isocket-disks-'));
});
afterEach(() => fs.rmSync(home, { recursive: true }));

/** A client of a receiver with this root. */
const connect = (root: string, rulesFor: (folder: ConfinedFolder) => ChangeRules) => {
  const folder = openConfinedFolder(root);
  const handles = createHandles(8);
  const { ask } = openSession({ folder, handles, rules: rulesFor(folder) });
  return {
    ask,
    put: async (name: string, content: string, flags = PUT): Promise<number> => {
      const { status, type, body } = await ask(Packet.OPEN, (w) => w.bytes(name).u32(flags).attributes({}));
      if (type !== Packet.HANDLE) return status;
      const handle = Buffer.from(body.bytes());
      await ask(Packet.WRITE, (w) => w.bytes(handle).u64(0).bytes(content));
      return (await ask(Packet.CLOSE, (w) => w.bytes(handle))).status;
    },
    [Symbol.dispose]: () => {
      handles.closeAll();
      folder[Symbol.dispose]();
    },
  };
};

it.each([
  ['RENAME', () => unrestricted],
  ['RENAME, where files are only added', () => createAppendOnlyRules()],
])('without hard links %s works, and replaces nothing', async (_, rules) => {
  await using mount = await mountSick(join(home, 'behind'), join(home, 'root'));
  mount.fail('EPERM link /new', 'EPERM link /there');
  using client = connect(join(home, 'root'), rules);
  fs.writeFileSync(join(mount.behind, 'there'), 'old');
  fs.writeFileSync(join(mount.behind, TEMPORARY), 'content');
  const rename = async (to: string) => (await client.ask(Packet.RENAME, (w) => w.bytes(TEMPORARY).bytes(to))).status;
  expect(await rename('there')).toBe(Status.FAILURE);
  expect(await rename('new')).toBe(Status.OK);
  expect(fs.readdirSync(mount.behind).sort()).toEqual(['new', 'there']);
  expect(fs.readFileSync(join(mount.behind, 'there'), 'utf8')).toBe('old');
});

it('without hard links a put that is atomic gets its name, where files are only added', async () => {
  await using mount = await mountSick(join(home, 'behind'), join(home, 'root'));
  mount.fail('EPERM link /new');
  using client = connect(join(home, 'root'), (folder) => createAtomicPuts(createAppendOnlyRules(), folder));
  expect(await client.put('new', 'content')).toBe(Status.OK);
  expect(fs.readdirSync(mount.behind)).toEqual(['new']);
});

it('a disk that takes no more files keeps the name of a file that a put would replace', async () => {
  const [image, root] = [join(home, 'image'), join(home, 'root')];
  fs.mkdirSync(root);
  fs.writeFileSync(image, '');
  fs.truncateSync(image, 8 * 2 ** 20);
  await execa('mkfs.ext4', ['-q', '-F', '-N', '16', image]);
  await execa('mount', ['-o', 'loop', image, root]);
  try {
    fs.writeFileSync(join(root, 'file'), 'first');
    const fill = (): void => {
      for (let n = 0; n < 1000; n += 1) fs.writeFileSync(join(root, `other-${n}`), '');
    };
    expect(fill).toThrow('ENOSPC');
    using client = connect(root, () => createAppendOnlyRules({ keepVersions: true }));
    expect(await client.put('file', 'second')).toBe(Status.FAILURE);
    expect(fs.readFileSync(join(root, 'file'), 'utf8')).toBe('first');
    expect(fs.existsSync(join(root, 'file.~1~'))).toBe(false);
  } finally {
    await execa('umount', ['-l', root]);
  }
});
