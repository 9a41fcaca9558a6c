import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scan } from '../../src/cli/commands/scan.ts';
import { PacketReader } from '../../src/sftp/packet-reader.ts';
import { Packet, Status } from '../../src/sftp/protocol.ts';
import { judge, produce } from '../support/invariant.ts';
import { runCommand } from '../support/run-command.ts';
import { makeSite } from '../support/site.ts';
import { idOf, startLyingServer, statusOf } from '../support/servers/lying-server.ts';

const LEFT_BYTES = 200_000;

const offsetOf = (packet: Buffer): number => {
  const fields = new PacketReader(packet.subarray(5));
  fields.skip();
  return fields.u64();
};

// OpenSSH says "Failure" for EDQUOT, and statvfs shows room.
it('what was sent of files that a quota does not let in is given back', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-quota-'));
  try {
    await using server = await startLyingServer(folder, (wire) => ({
      request: (packet) => {
        if (packet[0] === Packet.WRITE && offsetOf(packet) >= LEFT_BYTES)
          wire.toClient(statusOf(idOf(packet), Status.FAILURE, 'Failure'));
        else wire.toServer(packet);
      },
    }));
    const { config, root } = makeSite(folder, server);
    for (let file = 0; file < 3; file += 1) produce(root, `DC1/large${file}`, 2 * LEFT_BYTES);
    produce(root, 'DC1/small', 1000);
    const { code, said } = await runCommand(() => scan({ config }));
    expect(code, said).toBe(3);
    expect(said).toMatch(/the server answers WRITE with "Failure"; .*a full disk, a quota, or an error of the disk/);
    expect(judge(root, server.folder)).toMatchObject({ half: [], marked: 1 });
    expect(readdirSync(`${server.folder}/DC1`)).toEqual(['small']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
