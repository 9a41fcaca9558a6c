import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { unrestricted } from '../../../src/receiver/change-rules.ts';
import { openConfinedFolder, type ConfinedFolder } from '../../../src/receiver/confined-folder.ts';
import { createHandles, type Handles } from '../../../src/receiver/handles.ts';
import { OpenFlag, Packet, Status, type Attributes } from '../../../src/sftp/protocol.ts';
import { openSession } from '../../support/request-client.ts';

let root: string;
let folder: ConfinedFolder;
let handles: Handles;
let session: ReturnType<typeof openSession>;

beforeEach(() => {
  root = fs.mkdtempSync(join(tmpdir(), 'isocket-attributes-'));
  folder = openConfinedFolder(root);
  handles = createHandles(8);
  session = openSession({ folder, handles, rules: unrestricted });
});
afterEach(() => {
  handles.closeAll();
  folder[Symbol.dispose]();
  fs.rmSync(root, { recursive: true });
});

const modeOf = (name: string): string => (fs.statSync(join(root, name)).mode & 0o7777).toString(8);
const setstat = (name: string, attributes: Attributes) =>
  session.ask(Packet.SETSTAT, (w) => w.bytes(name).attributes(attributes));
const open = async (name: string, attributes: Attributes): Promise<Buffer> =>
  (
    await session.ask(Packet.OPEN, (w) =>
      w
        .bytes(name)
        .u32(OpenFlag.WRITE | OpenFlag.CREAT)
        .attributes(attributes),
    )
  ).body.bytes();
const fsetstat = (handle: Buffer, attributes: Attributes) =>
  session.ask(Packet.FSETSTAT, (w) => w.bytes(handle).attributes(attributes));

describe('setuid, setgid and sticky', () => {
  it('are never set, whichever request asks for them', async () => {
    const handle = await open('file', { permissions: 0o7755 });
    expect(modeOf('file')).toBe('755');
    expect((await fsetstat(handle, { permissions: 0o107711 })).status).toBe(Status.OK);
    expect(modeOf('file')).toBe('711');
    expect((await setstat('file', { permissions: 0o4755 })).status).toBe(Status.OK);
    expect(modeOf('file')).toBe('755');
    await session.ask(Packet.MKDIR, (w) => w.bytes('made').attributes({ permissions: 0o7755 }));
    expect(modeOf('made')).toBe('755');
    expect((await setstat('made', { permissions: 0o7700 })).status).toBe(Status.OK);
    expect(modeOf('made')).toBe('700');
  });

  it('stay on a folder to which its administrator gave them, and are taken from a file', async () => {
    fs.mkdirSync(join(root, 'shared'));
    fs.chmodSync(join(root, 'shared'), 0o2775);
    expect((await setstat('shared', { permissions: 0o750 })).status).toBe(Status.OK);
    expect(modeOf('shared')).toBe('2750');
    fs.writeFileSync(join(root, 'file'), '');
    fs.chmodSync(join(root, 'file'), 0o6755);
    expect((await setstat('file', { permissions: 0o644 })).status).toBe(Status.OK);
    expect(modeOf('file')).toBe('644');
  });
});

describe('owner and group', () => {
  it('of the file itself can be set again, as "put -p" of some clients does', async () => {
    const handle = await open('file', {});
    const { uid, gid } = fs.statSync(join(root, 'file'));
    expect((await setstat('file', { uid, gid, permissions: 0o600 })).status).toBe(Status.OK);
    expect((await fsetstat(handle, { uid, gid })).status).toBe(Status.OK);
    expect(modeOf('file')).toBe('600');
  });

  it.each(['uid', 'gid'] as const)('another %s is refused, and nothing else of the request is done', async (which) => {
    const handle = await open('file', { permissions: 0o644 });
    const { uid, gid } = fs.statSync(join(root, 'file'));
    const attributes = { uid, gid, [which]: 12345, permissions: 0o600, size: 10 };
    expect((await setstat('file', attributes)).status).toBe(Status.PERMISSION_DENIED);
    expect((await fsetstat(handle, attributes)).status).toBe(Status.PERMISSION_DENIED);
    expect([modeOf('file'), fs.statSync(join(root, 'file')).size]).toEqual(['644', 0]);
  });
});
