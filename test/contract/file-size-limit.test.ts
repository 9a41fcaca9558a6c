import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scan } from '../../src/cli/commands/scan.ts';
import { PacketReader } from '../../src/sftp/packet-reader.ts';
import { Packet } from '../../src/sftp/protocol.ts';
import { judge, produce } from '../support/invariant.ts';
import { runCommand } from '../support/run-command.ts';
import { makeSite } from '../support/site.ts';
import { startLyingServer } from '../support/servers/lying-server.ts';

const LIMIT = 2_000_000;

const offsetOf = (packet: Buffer): number => {
  const fields = new PacketReader(packet.subarray(5));
  fields.skip();
  return fields.u64();
};

it('a file of which the server’s program dies is named with the byte, and the others are sent', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-size-limit-'));
  try {
    // As SIGXFSZ ends it.
    await using server = await startLyingServer(folder, (wire) => ({
      request: (packet) => {
        if (packet[0] === Packet.WRITE && offsetOf(packet) >= LIMIT) wire.hangUp();
        else wire.toServer(packet);
      },
    }));
    const { config, root } = makeSite(folder, server, {
      more: { send: { durable: true, retry: { first: '10ms', most: '50ms' } } },
    });
    for (let file = 0; file < 30; file += 1) produce(root, `DC2/f${file}`, 1000);
    produce(root, 'DC1/large', 5_000_000);
    produce(root, 'DC1/medium', 500_000);
    for (const directory of ['DC1', 'DC2']) writeFileSync(`${root}/${directory}/finished.parse`, '');
    const { code, said } = await runCommand(() => scan({ config }));
    expect(code, said).toBe(3);
    expect(said).toMatch(/Cannot send "DC1\/large" .* ended 3 times when it had .* of 4.77 MiB.*ulimit -f/);
    expect(judge(root, server.folder)).toMatchObject({ notThere: ['DC1/large'], half: [], finished: 1, marked: 31 });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
