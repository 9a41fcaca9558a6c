import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createAppendOnlyRules } from '../../../src/receiver/append-only.ts';
import { createAtomicPuts } from '../../../src/receiver/atomic-puts.ts';
import { unrestricted } from '../../../src/receiver/change-rules.ts';
import { openConfinedFolder, type ConfinedFolder } from '../../../src/receiver/confined-folder.ts';
import { HandleRoom } from '../../../src/receiver/handle-room.ts';
import { createHandles, type Handles } from '../../../src/receiver/handles.ts';
import { OpenFlag, Packet, Status } from '../../../src/sftp/protocol.ts';
import { openSession } from '../../support/request-client.ts';

const MOST = 4;

let root: string;
let folder: ConfinedFolder;
let handles: Handles;

beforeEach(() => {
  root = fs.mkdtempSync(join(tmpdir(), 'isocket-handles-'));
  folder = openConfinedFolder(root);
  handles = createHandles(MOST);
  fs.writeFileSync(join(root, 'whole'), 'whole');
});
afterEach(() => {
  handles.closeAll();
  folder[Symbol.dispose]();
  fs.rmSync(root, { recursive: true });
});

it.each([
  ['all may be changed', () => unrestricted],
  ['of atomic puts', () => createAtomicPuts(unrestricted, folder)],
  ['files are only added', () => createAppendOnlyRules()],
  ['versions are kept', () => createAppendOnlyRules({ keepVersions: true })],
  ['versions are kept, of atomic puts', () => createAtomicPuts(createAppendOnlyRules({ keepVersions: true }), folder)],
])('an OPEN beyond the limit changes nothing, where %s', async (_, rules) => {
  const { ask } = openSession({ folder, handles, rules: rules() });
  for (let n = 0; n < MOST; n += 1) await ask(Packet.OPENDIR, (w) => w.bytes('/'));
  for (const name of ['whole', 'new'])
    expect(
      (
        await ask(Packet.OPEN, (w) =>
          w
            .bytes(name)
            .u32(OpenFlag.WRITE | OpenFlag.CREAT | OpenFlag.TRUNC)
            .attributes({}),
        )
      ).status,
    ).toBe(Status.FAILURE);
  expect(fs.readdirSync(root)).toEqual(['whole']);
  expect(fs.readFileSync(join(root, 'whole'), 'utf8')).toBe('whole');
});

it('handles of all sessions together are limited, and what one gives back another can have', async () => {
  const room = new HandleRoom(6);
  const [one, other] = [createHandles(8, room), createHandles(8, room)];
  const [ask, askOther] = [one, other].map((of) => openSession({ folder, handles: of, rules: unrestricted }).ask);
  const openDir = async (by = ask) => {
    const { status, body } = (await by?.(Packet.OPENDIR, (w) => w.bytes('/'))) ?? {};
    return { status, handle: status === Status.OK ? Buffer.from(body?.bytes() ?? '') : Buffer.alloc(4) };
  };
  await openDir();
  await openDir();
  const { handle } = await openDir(askOther);
  expect((await openDir()).status).toBe(Status.FAILURE);
  await askOther?.(Packet.CLOSE, (w) => w.bytes(handle));
  expect((await openDir()).status).toBe(Status.OK);
  one.closeAll();
  for (let n = 0; n < 3; n += 1) expect((await openDir(askOther)).status).toBe(Status.OK);
  other.closeAll();
});
