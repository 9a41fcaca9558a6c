import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { restore } from '../../src/cli/commands/restore.ts';
import { scan } from '../../src/cli/commands/scan.ts';
import { verify } from '../../src/cli/commands/verify.ts';
import { Packet } from '../../src/sftp/protocol.ts';
import { judge, produce } from '../support/invariant.ts';
import { runCommand } from '../support/run-command.ts';
import { makeSite } from '../support/site.ts';
import { namesOf, startLyingServer, unknown } from '../support/servers/lying-server.ts';

it('a folder of whose listing the server’s program dies is told once, and its directory is finished and verified', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-listing-'));
  try {
    // As Erlang's ssh_sftpd does of a name in another script.
    await using server = await startLyingServer(
      folder,
      unknown((wire) => ({
        request: (packet) => {
          if (packet[0] === Packet.OPENDIR && namesOf(packet).includes('odd')) wire.hangUp();
          else wire.toServer(packet);
        },
      })),
    );
    const { config, root } = makeSite(folder, server, {
      more: { send: { durable: true, retry: { first: '10ms', most: '50ms' } } },
    });
    for (const directory of ['DC1', 'DC2']) {
      for (let file = 0; file < 40; file += 1) produce(root, `${directory}/odd/f${file}`, 100);
      writeFileSync(`${root}/${directory}/finished.parse`, '');
    }
    const { code, said } = await runCommand(() => scan({ config }));
    expect(code, said).toBe(0);
    expect(said.match(/warning: .*DC1\/odd" is listed.*remove them yourself/g)).toHaveLength(1);
    expect(judge(root, server.folder)).toMatchObject({ notThere: [], half: [], finished: 2, marked: 80 });
    const verified = await runCommand(() => verify([], { config }));
    expect(verified.code, verified.said).toBe(0);
    const restored = await runCommand(() => restore(['DC1'], { config }));
    expect(restored.code, restored.said).toBe(3);
    expect(restored.said).toMatch(/Cannot list .* ends each time ".*DC1\/odd" is listed.*; rename what is in it/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
