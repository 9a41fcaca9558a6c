import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { check } from '../../src/cli/commands/check.ts';
import { scan } from '../../src/cli/commands/scan.ts';
import { PacketReader } from '../../src/sftp/packet-reader.ts';
import { Packet, Status } from '../../src/sftp/protocol.ts';
import { produce } from '../support/invariant.ts';
import { runCommand } from '../support/run-command.ts';
import { makeSite } from '../support/site.ts';
import { idOf, namesOf, packetOf, requestOf, startLyingServer, statusOf } from '../support/servers/lying-server.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-names-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

// As ProFTPD's PathDenyFilter.
it('a server that takes no name with a dot in front is told by check, and scan names the file', async () => {
  await using server = await startLyingServer(folder, (wire) => ({
    request: (packet) => {
      const isDenied = requestOf(packet) === 'OPEN to write' && namesOf(packet)[0]?.startsWith('.') === true;
      if (isDenied) wire.toClient(statusOf(idOf(packet), Status.PERMISSION_DENIED));
      else wire.toServer(packet);
    },
  }));
  const { config, root } = makeSite(folder, server);
  produce(root, 'DC1/f', 10);
  const checked = await runCommand(() => check({ config }));
  expect(checked.code).toBe(3);
  expect(checked.said).toMatch(/let the server take names that begin with a dot/);
  expect(checked.said).not.toMatch(/right to write/);
  const sent = await runCommand(() => scan({ config }));
  expect(sent.code).toBe(3);
  expect(sent.said).toMatch(/right to write \(files of any name: \.isocket-….part/);
});

const OF_PERMISSIONS = 4;

const pathOf = (packet: Buffer): string => new PacketReader(packet.subarray(5)).text();

// As `internal-sftp -u 0177` for an account that is not root.
it('a server that makes folders which nobody can enter is told by check and scan, with the umask', async () => {
  await using server = await startLyingServer(folder, ({ toServer, toClient }) => ({
    request: (packet) => {
      const request = requestOf(packet);
      const isDenied =
        (request === 'MKDIR' || request === 'OPEN to write') && (statSync(dirname(pathOf(packet))).mode & 0o100) === 0;
      if (isDenied) toClient(statusOf(idOf(packet), Status.PERMISSION_DENIED));
      else if (request === 'MKDIR')
        toServer(
          packetOf((mkdir) =>
            mkdir.begin(Packet.MKDIR).u32(idOf(packet)).bytes(pathOf(packet)).u32(OF_PERMISSIONS).u32(0o600).end(),
          ),
        );
      else toServer(packet);
    },
  }));
  const { config, root } = makeSite(folder, server);
  mkdirSync(server.folder, { recursive: true });
  produce(root, 'DC1/f', 10);
  const locked = /mode 0600 there, and not even its owner may write into it/;
  for (const command of [check, scan]) {
    const { code, said } = await runCommand(() => command({ config }));
    expect(code).toBe(3);
    expect(said).toMatch(locked);
    expect(said).toMatch(/correct its umask \(internal-sftp -u, Umask\)/);
    expect(said).not.toMatch(/right to write/);
  }
  expect(readdirSync(server.folder)).toEqual(['DC1']);
});
