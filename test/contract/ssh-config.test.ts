import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { neededOverrides, readConfiguration } from '../../src/ssh/program/configuration.ts';
import { connectSystemSsh } from '../../src/ssh/program/connection.ts';
import { makeKey } from '../support/keys.ts';
import { freePort } from '../support/ports.ts';
import type { TestServer } from '../support/server.ts';
import { startSshd } from '../support/sshd.ts';

let folder: string;
let server: TestServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-ssh-config-'));
  server = await startSshd(folder);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});
afterEach(() => {
  vi.unstubAllEnvs();
});

/** An ssh, first on the PATH, that reads this ssh_config; a channel's own `-F none` comes later and wins. */
const useConfig = (lines: readonly string[]): void => {
  const programs = `${folder}/programs`;
  mkdirSync(programs, { recursive: true });
  writeFileSync(`${folder}/ssh_config`, `${lines.join('\n')}\n`);
  writeFileSync(`${programs}/ssh`, `#!/bin/sh\nexec /usr/bin/ssh -F ${folder}/ssh_config "$@"\n`);
  chmodSync(`${programs}/ssh`, 0o755);
  vi.stubEnv('PATH', `${programs}:/usr/bin:/bin`);
};

const loginOf = (identityFile = server.identityFile) => {
  const { port, knownHosts } = server;
  return { host: '127.0.0.1', port, user: 'root', identityFile, knownHosts, passphraseFile: undefined };
};

const connect = (identityFile?: string) =>
  connectSystemSsh(
    loginOf(identityFile),
    { stateFolder: `${folder}/state`, where: 'here' },
    AbortSignal.timeout(10_000),
  );

// Each line is a key that people set for a terminal. Those that would disturb one another are in rows of their own.
test.each([
  ['ForkAfterAuthentication yes'],
  ['StdinNull yes', 'RequestTTY force', 'RemoteCommand sleep 100', 'PermitLocalCommand yes', 'LocalCommand sleep 100'],
  ['SessionType subsystem', 'LogLevel DEBUG3', 'VisualHostKey yes', 'EscapeChar a', 'Compression yes', 'SendEnv *'],
  ['ControlMaster auto', 'ControlPath none', 'ControlPersist yes', 'Tunnel yes', 'ForwardX11 yes', 'ForwardAgent yes'],
  ['AddKeysToAgent confirm', 'BatchMode no', 'StrictHostKeyChecking ask', 'UpdateHostKeys ask', 'SetEnv A=b'],
])('ssh_config may say %s', async (...lines) => {
  useConfig(lines);
  const connection = await connect();
  try {
    const channel = await connection.openSftp();
    expect(await channel.realpath('/tmp')).toBe('/tmp');
    expect(connection.closed).toBe(false);
  } finally {
    await connection.close();
  }
});

test('a forwarding whose port is taken does not stop a connection', async () => {
  await using taken = createServer().listen(await freePort(), '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  useConfig([`LocalForward 127.0.0.1:${port} 127.0.0.1:1`, 'DynamicForward 1', 'ExitOnForwardFailure yes']);
  await (await connect()).close();
});

test('the reason of a refused login is told though ssh_config says LogLevel QUIET', async () => {
  useConfig(['LogLevel QUIET']);
  await makeKey(`${folder}/other`);
  await expect(connect(`${folder}/other`)).rejects.toThrow('the login was refused');
});

test('a program of ssh_config that does not end is told, and left', async () => {
  useConfig(['Match exec "exec sleep 60"', 'User root']);
  const asking = readConfiguration(loginOf(), 'here', new AbortController().signal, 300);
  await expect(asking).rejects.toThrow('ssh did not read its configuration within 0.3 s');
});

test('only what this ssh knows is overridden: an older one refuses a key that it does not know', () => {
  expect(neededOverrides('host h\nloglevel INFO\nvisualhostkey no\n')).toEqual({
    LogLevel: 'INFO',
    VisualHostKey: 'no',
  });
  expect(neededOverrides('forkafterauthentication yes\nremotecommand x y\n')).toEqual({
    ForkAfterAuthentication: 'no',
    RemoteCommand: 'none',
  });
});
