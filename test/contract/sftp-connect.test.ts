import { once } from 'node:events';
import { execa } from 'execa';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { connect } from '../../src/ssh/connect.ts';
import { openChannels } from '../../src/transports/sftp/channels.ts';
import type { ProbeResult } from '../../src/transport.ts';
import { parseSftpOptions } from '../../src/transports/sftp/options.ts';
import { probeSftp } from '../../src/transports/sftp/probe.ts';
import { ServerHabits } from '../../src/transports/sftp/server-habits.ts';
import { startSshd } from '../support/sshd.ts';

// The socket connects before the key is read: that must not hide a problem of the key, nor leave the socket open.
it('reports a problem of the key while the server is silent, and closes the socket', async () => {
  await using server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const options = parseSftpOptions({
    transport: 'sftp',
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    path: '/',
    knownHosts: '/nowhere/known_hosts',
    identityFile: '/nowhere/key',
  });
  const connecting = connect(options, { stateFolder: '/nowhere' }, new AbortController().signal);
  await expect(connecting).rejects.toThrow('Cannot read destination.identityFile "/nowhere/key"');
  const [socket] = (await accepted) as [Socket];
  socket.on('error', () => undefined).resume();
  if (!socket.closed) await once(socket, 'close');
});

it('a server that opens no session is told as that', async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-none-')), (path) => rmSync(path, { recursive: true }));
  const { port, path, identityFile, knownHosts } = stack.use(await startSshd(folder, { config: ['MaxSessions 0'] }));
  const options = parseSftpOptions({
    ...{ transport: 'sftp', host: '127.0.0.1', user: 'root' },
    ...{ port, path, identityFile, knownHosts },
  });
  const log = (): void => undefined;
  const opening = openChannels(
    options,
    { durable: false, stateFolder: folder, log },
    new ServerHabits(log),
    new AbortController().signal,
  );
  await expect(opening).rejects.toMatchObject({
    class: 'network',
    hint: expect.stringContaining('MaxSessions') as unknown,
  });
});

// What the server takes and ssh2 has not is told as that, by a send and by check: trying again, or another port, does not help.
it.each([
  ['KexAlgorithms sntrup761x25519-sha512@openssh.com', 'takes no key exchange that', 'destination.ssh: system'],
  ['Ciphers aes128-ctr\nMACs umac-128@openssh.com', 'takes no MAC that', 'destination.ssh: system'],
  ['HostKeyAlgorithms ecdsa-sha2-nistp256', 'no host key of a type that known_hosts has', 'ssh-keyscan'],
  ['PubkeyAcceptedAlgorithms rsa-sha2-512', 'the server refused the key', 'destination.ssh: system'],
])('%s: "%s"', async (line, message, hint) => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.adopt(mkdtempSync(join(tmpdir(), 'isocket-algorithms-')), (path) =>
    rmSync(path, { recursive: true }),
  );
  await execa('ssh-keygen', ['-q', '-t', 'ecdsa', '-N', '', '-f', `${folder}/ecdsa`]);
  const config = [line, `HostKey ${folder}/ecdsa`];
  const { port, path, identityFile, knownHosts } = stack.use(await startSshd(folder, { config }));
  if (line.includes('rsa')) {
    rmSync(identityFile);
    await execa('ssh-keygen', ['-q', '-t', 'rsa', '-b', '2048', '-N', '', '-f', identityFile]);
    cpSync(`${identityFile}.pub`, `${folder}/sshd/authorized_keys`);
  }
  const written = { transport: 'sftp', host: '127.0.0.1', user: 'root', port, path, identityFile, knownHosts };
  const { signal } = new AbortController();
  const told = {
    message: expect.stringContaining(message) as unknown,
    hint: expect.stringContaining(hint) as unknown,
  };
  await expect(connect(parseSftpOptions(written), { stateFolder: folder }, signal)).rejects.toMatchObject({
    class: 'auth',
    ...told,
  });
  const lines: ProbeResult[] = [];
  const context = { owner: '01234567', durable: false, stateFolder: folder };
  for await (const one of probeSftp(parseSftpOptions(written), context, 'there', signal)) lines.push(one);
  expect(lines.at(-1)).toMatchObject({ state: 'failure', ...told });
  if (!hint.includes('system')) return;
  const byProgram = await connect(parseSftpOptions({ ...written, ssh: 'system' }), { stateFolder: folder }, signal);
  await byProgram.close();
});
