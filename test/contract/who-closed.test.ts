import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { connect } from '../../src/ssh/connect.ts';
import type { SshConnection } from '../../src/ssh/connection.ts';
import { parseSftpOptions } from '../../src/transports/sftp/options.ts';
import { startProxy, type Proxy } from '../support/proxy.ts';
import type { TestServer } from '../support/server.ts';
import { startSshd } from '../support/sshd.ts';
import { through } from '../support/through.ts';

let folder: string;
let server: TestServer;
let proxy: Proxy;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-closed-'));
  server = await startSshd(folder);
  proxy = await startProxy(server.port);
});
afterEach(async () => {
  await proxy[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

const open = (ssh: 'builtin' | 'system') => {
  const { path, identityFile } = server;
  const more = { host: '127.0.0.1', user: 'root', path, identityFile, ssh, ...through(folder, server, proxy.port) };
  const options = parseSftpOptions({ transport: 'sftp', ...more });
  return connect(options, { stateFolder: folder }, new AbortController().signal);
};
const reasonOf = async (connection: SshConnection, end: () => unknown): Promise<string> => {
  const { promise, resolve } = Promise.withResolvers<Error>();
  connection.onClose(resolve);
  end();
  return (await promise).message;
};

it.each<[string, (connection: SshConnection) => unknown, RegExp]>([
  ['the server', () => proxy.cut(), /^the server closed the connection to root@127\.0\.0\.1:\d+$/],
  ['the network', () => proxy.reset(), /^the connection to root@127\.0\.0\.1:\d+ broke: connection reset by peer$/],
  ['isocket', (connection) => connection.close(), /^isocket closed the connection to root@127\.0\.0\.1:\d+$/],
])('a connection that %s ends says so', async (_who, end, words) => {
  const connection = await open('builtin');
  expect(await reasonOf(connection, () => end(connection))).toMatch(words);
  await expect(connection.openSftp()).rejects.toThrow(words);
  await connection.close();
});

it('one of the ssh program says what that says', async () => {
  const connection = await open('system');
  expect(await reasonOf(connection, () => proxy.cut())).toMatch(
    /^the connection to root@127\.0\.0\.1:\d+ was lost: .*closed by remote host/i,
  );
  await connection.close();
});

it('a channel says who closed it', async () => {
  const connection = await open('builtin');
  const [ours, theirs] = [await connection.openSftp(), await connection.openSftp()];
  ours.destroy();
  await expect(ours.realpath('.')).rejects.toThrow('isocket closed the SFTP channel');
  const closed = new Promise<void>((resolve) => theirs.onClosed(() => resolve()));
  (await connection.openExec('pkill -P $PPID -x sftp-server')).resume();
  await closed;
  await expect(theirs.realpath('.')).rejects.toThrow('the SFTP channel was closed by the server');
  await connection.close();
});
