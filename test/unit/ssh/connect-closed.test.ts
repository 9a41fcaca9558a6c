import { execa } from 'execa';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { connect } from '../../../src/ssh/connect.ts';
import { makeKey } from '../../support/keys.ts';
import { parseSftpOptions } from '../../../src/transports/sftp/options.ts';

// As sshd does beyond MaxStartups, or a proxy whose server restarts. ssh2 never hears of a close that came before it had the socket.
it('a server that hangs up before the key is read is noticed at once, not after the handshake’s 20 s', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'isocket-connect-'));
  try {
    await using server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    await makeKey(`${folder}/key`);
    await execa('mkfifo', [`${folder}/known_hosts`]);
    const accepted = once(server, 'connection');
    const options = parseSftpOptions({
      transport: 'sftp',
      host: '127.0.0.1',
      port: (server.address() as AddressInfo).port,
      path: '/',
      knownHosts: `${folder}/known_hosts`,
      identityFile: `${folder}/key`,
    });
    const connecting = connect(options, { stateFolder: folder }, new AbortController().signal);
    const [socket] = (await accepted) as [Socket];
    socket.end().resume();
    // The client has closed its end, too.
    await once(socket, 'close');
    await writeFile(`${folder}/known_hosts`, '');
    await expect(connecting).rejects.toThrow('the server closed the connection');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
