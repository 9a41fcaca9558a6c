import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { TransportError } from '../../src/errors.ts';
import { connect } from '../../src/ssh/connect.ts';
import { parseSftpOptions } from '../../src/transports/sftp/options.ts';
import { freePort } from '../support/ports.ts';
import type { TestServer } from '../support/server.ts';
import { startSshd } from '../support/sshd.ts';

// Why a login failed is told as what it is, with its cure, by ssh2 and by the ssh program (which rsync uses too).

let folder: string;
let server: TestServer;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-cures-'));
  server = await startSshd(folder);
  const key = (name: string, passphrase = '', type = 'ed25519'): void => {
    spawnSync('ssh-keygen', ['-q', '-t', type, '-N', passphrase, '-f', `${folder}/${name}`]);
  };
  key('encrypted', 'right');
  key('pem', 'right', 'rsa');
  spawnSync('ssh-keygen', ['-q', '-p', '-m', 'PEM', '-P', 'right', '-N', 'right', '-f', `${folder}/pem`]);
  key('stranger');
  key('other-host');
  copyFileSync(server.identityFile, `${folder}/open-key`);
  chmodSync(`${folder}/open-key`, 0o644);
  mkdirSync(`${folder}/folder`);
  mkdirSync(`${folder}/home/.ssh`, { recursive: true });
  copyFileSync(server.knownHosts, `${folder}/home/.ssh/known_hosts`);
  const files: Readonly<Record<string, string>> = {
    text: 'hello\n',
    wrong: 'wrong\n',
    'no-hosts': '',
    'changed-hosts': `[127.0.0.1]:${server.port} ${readFileSync(`${folder}/other-host.pub`, 'utf8')}`,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(`${folder}/${name}`, text, { mode: 0o600 });
  writeFileSync(`${folder}/open-text`, 'hello\n', { mode: 0o644 });
  writeFileSync(`${folder}/open-passphrase`, 'right\n', { mode: 0o644 });
  vi.stubEnv('SSH_AUTH_SOCK', undefined);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.stubEnv('SSH_AUTH_SOCK', undefined);
});

type Written = Readonly<Record<string, unknown>>;

/** Connects as the configuration says; "DIR/" is the folder of this test. */
const login = async (ssh: string, written: Written = {}) => {
  const { port, identityFile, knownHosts } = server;
  const destination = { transport: 'sftp', host: '127.0.0.1', user: 'root', path: '/x', ssh, port, identityFile };
  const changed = Object.entries(written).map(([key, value]) => [
    key,
    typeof value === 'string' ? value.replace('DIR', folder) : value,
  ]);
  const options = parseSftpOptions({ ...destination, knownHosts, ...(Object.fromEntries(changed) as Written) });
  const connection = await connect(options, { stateFolder: `${folder}/state` }, AbortSignal.timeout(20_000));
  await connection.close();
};

const problemOf = async (ssh: string, written?: Written): Promise<TransportError> => {
  const error: unknown = await login(ssh, written).catch((reason: unknown) => reason);
  if (!(error instanceof TransportError)) throw new Error(`no TransportError: ${String(error)}`);
  return error;
};

const expectTold = async (ssh: string, written: Written, told: readonly [string, string, string]): Promise<void> => {
  const { class: errorClass, message, hint } = await problemOf(ssh, written);
  const [wanted, words, cure] = told.map((text) => text.replace('DIR', folder));
  expect(errorClass, message).toBe(wanted);
  expect(message).toContain(words);
  expect(hint).toContain(cure);
};

const WAYS = ['builtin', 'system'];

describe.each(WAYS)('by ssh: %s', (ssh) => {
  it.each<readonly [string, Written, string, string]>([
    ['an encrypted key', { identityFile: 'DIR/encrypted' }, 'it is encrypted', 'destination.passphraseFile'],
    ['an encrypted key of PEM', { identityFile: 'DIR/pem' }, 'it is encrypted', 'destination.passphraseFile'],
    [
      'a wrong passphrase',
      { identityFile: 'DIR/encrypted', passphraseFile: 'DIR/wrong' },
      'the passphrase is not that of this key',
      'correct the file of destination.passphraseFile',
    ],
    [
      'no file with the passphrase',
      { identityFile: 'DIR/encrypted', passphraseFile: 'DIR/none' },
      'passphraseFile "DIR/none": no such file',
      'write the passphrase',
    ],
    [
      'a passphrase that others may read',
      { identityFile: 'DIR/encrypted', passphraseFile: 'DIR/open-passphrase' },
      'others than its owner may read',
      'chmod 600 DIR/open-passphrase',
    ],
    ['no key', { identityFile: 'DIR/none' }, 'no such file', 'ssh-keygen -t ed25519'],
    ['a folder', { identityFile: 'DIR/folder' }, 'identityFile "DIR/folder": illegal', 'name the file in it'],
    ['a text', { identityFile: 'DIR/text' }, 'it is no private key', 'OpenSSH'],
    ['a public key', { identityFile: 'DIR/stranger.pub' }, 'it is a public key', 'the private key: DIR/stranger'],
    ['a key that others may read', { identityFile: 'DIR/open-key' }, 'others than its owner', 'chmod 600 DIR/open-key'],
    ['a key that the server has not', { identityFile: 'DIR/stranger' }, 'refused', 'authorized_keys'],
    ['a host key that is unknown', { knownHosts: 'DIR/no-hosts' }, 'is unknown', 'DIR/no-hosts'],
    ['no file of known hosts', { knownHosts: 'DIR/nowhere/hosts' }, 'is unknown', 'mkdir -p DIR/nowhere && '],
    [
      'a host key that changed',
      { knownHosts: 'DIR/changed-hosts' },
      'the host key CHANGED; it is now SHA256:',
      '-R "[',
    ],
    ['a private key for known hosts', { knownHosts: 'DIR/stranger' }, 'it is a private key', '~/.ssh/known_hosts'],
    ['a text that others may read', { identityFile: 'DIR/open-text' }, 'it is no private key', 'OpenSSH'],
    ['a folder for known hosts', { knownHosts: 'DIR/folder' }, 'Cannot read destination.knownHosts', 'name the file'],
  ])('%s', async (_what, written, words, cure) => {
    await expectTold(ssh, written, ['auth', words, cure]);
  });

  it('nothing that listens, a name that is not there, and what is no SSH server', async () => {
    await expectTold(ssh, { port: await freePort() }, ['network', '', 'destination.port are right']);
    await expectTold(ssh, { host: 'none.invalid' }, [
      'network',
      '',
      'correct destination.host, or fix the name service',
    ]);
    for (const words of ['', 'HTTP/1.1 400 Bad Request\r\n\r\n', 'SSH-1.5-old\r\n']) {
      await using other = createServer((socket) =>
        socket
          .on('error', () => undefined)
          .resume()
          .end(words),
      ).listen(0, '127.0.0.1');
      await once(other, 'listening');
      const { port } = other.address() as AddressInfo;
      await expectTold(ssh, { port }, [
        'network',
        'Cannot connect to root@127.0.0.1',
        'see that an SSH server (version 2)',
      ]);
    }
  });

  it('known_hosts is that of HOME', async () => {
    vi.stubEnv('HOME', `${folder}/home`);
    await login(ssh, { knownHosts: undefined });
    rmSync(`${folder}/home/.ssh/known_hosts`);
    await expectTold(ssh, { knownHosts: undefined }, ['auth', 'is unknown', 'DIR/home/.ssh/known_hosts']);
    copyFileSync(server.knownHosts, `${folder}/home/.ssh/known_hosts`);
  });

  it('an agent that is not there, that has no key, that has too many', async () => {
    const byAgent = { identityFile: undefined, agent: true };
    vi.stubEnv('HOME', `${folder}/home`);
    await expectTold(ssh, byAgent, ['auth', 'SSH_AUTH_SOCK is not set', 'ssh-add']);
    vi.stubEnv('SSH_AUTH_SOCK', `${folder}/none`);
    await expectTold(ssh, byAgent, ['auth', 'SSH_AUTH_SOCK', 'ssh-add']);
    const socket = `${folder}/agent-${ssh}`;
    const pid = /AGENT_PID=(\d+)/.exec(spawnSync('ssh-agent', ['-s', '-a', socket], { encoding: 'utf8' }).stdout)?.[1];
    try {
      vi.stubEnv('SSH_AUTH_SOCK', socket);
      await expectTold(ssh, byAgent, ['auth', 'has no key', 'ssh-add']);
      spawnSync('ssh-add', ['-q', `${folder}/stranger`]);
      await expectTold(ssh, byAgent, ['auth', 'refused', 'authorized_keys']);
      // ssh takes a public key, and one that it cannot decrypt, where the agent has the private one: then the server has refused it.
      const byName = { identityFile: 'DIR/stranger.pub' };
      if (ssh === 'system') await expectTold(ssh, byName, ['auth', 'the login was refused', 'authorized_keys']);
      for (const name of ['other-host', 'sshd/host_key', 'sshd/user_key'])
        spawnSync('ssh-add', ['-q', `${folder}/${name}`]);
      await login(ssh, byAgent);
    } finally {
      process.kill(Number(pid));
    }
  });

  it('a server that wants more than a key', async () => {
    const other = mkdtempSync(`${folder}/more-`);
    const config = ['AuthenticationMethods publickey,keyboard-interactive', 'KbdInteractiveAuthentication yes'];
    await using wanting = await startSshd(other, { config });
    const { port, identityFile, knownHosts } = wanting;
    await expectTold(ssh, { port, identityFile, knownHosts }, [
      'auth',
      'the server wants keyboard-interactive, and takes no key for it',
      'no second method in AuthenticationMethods',
    ]);
  });
});

/** An ssh, first on the PATH, with this ssh_config. */
const useConfig = (lines: readonly string[]): void => {
  const programs = mkdtempSync(`${folder}/programs-`);
  writeFileSync(`${programs}/config`, `${lines.join('\n')}\n`);
  writeFileSync(`${programs}/ssh`, `#!/bin/sh\nexec /usr/bin/ssh -F ${programs}/config "$@"\n`, { mode: 0o755 });
  vi.stubEnv('PATH', `${programs}:/usr/bin:/bin`);
};

describe('ssh_config', () => {
  it.each<readonly [string, readonly string[], string, string, string]>([
    ['an error in it', ['Foo bar'], 'auth', 'line 1: Bad configuration option: foo', 'correct that line'],
    ['a jump host without an address', ['ProxyJump none.invalid'], 'network', 'hostname none.invalid', 'by hand'],
    [
      'a jump host whose key is unknown',
      ['ProxyJump jump@localhost:PORT'],
      'auth',
      'Host key verification failed',
      'for the jump host',
    ],
    [
      'a program that is not there',
      ['ProxyCommand /no/such/program %h'],
      'network',
      '/no/such/program',
      'ProxyCommand',
    ],
  ])('%s', async (_what, lines, ...told) => {
    const own = ['Host 127.0.0.1', ...lines.map((line) => line.replace('PORT', String(server.port)))];
    useConfig(lines[0]?.startsWith('Proxy') === true ? own : lines);
    await expectTold('system', {}, told);
    expect((await problemOf('system')).message).not.toContain('UNKNOWN');
  });

  it('a key of it that is encrypted, and no key at all', async () => {
    useConfig([`IdentityFile ${folder}/encrypted`]);
    await expectTold('system', { identityFile: undefined }, [
      'auth',
      'the private key "DIR/encrypted": it is encrypted',
      'destination.passphraseFile',
    ]);
    useConfig([`IdentityFile ${folder}/none`]);
    await expectTold('system', { identityFile: undefined }, [
      'auth',
      'there is no key file, and no ssh agent',
      'ssh-keygen',
    ]);
  });

  it('a passphrase that can be read once is ssh’s to read', async () => {
    const pipe = `${folder}/pipe`;
    spawnSync('mkfifo', ['-m', '600', pipe]);
    copyFileSync(`${folder}/sshd/user_key`, `${folder}/own-encrypted`);
    chmodSync(`${folder}/own-encrypted`, 0o600);
    spawnSync('ssh-keygen', ['-q', '-p', '-P', '', '-N', 'right', '-f', `${folder}/own-encrypted`]);
    const written = { identityFile: 'DIR/own-encrypted', passphraseFile: pipe };
    await Promise.all([writeFile(pipe, 'right\n'), login('system', written)]);
    await Promise.all([
      writeFile(pipe, 'wrong\n'),
      expectTold('system', written, ['auth', 'refused', 'authorized_keys']),
    ]);
  });

  it('a key that isocket may not read', () => {
    const script = `
      import { ownKeyProblem } from '${new URL('../../src/ssh/program/own-keys.ts', import.meta.url).href}';
      const login = { host: 'h', identityFile: process.argv[1] };
      console.log((await ownKeyProblem(login, '', '')).message);
    `;
    chmodSync(folder, 0o755);
    const asNobody = ['--reuid=65534', '--regid=65534', '--clear-groups', process.execPath];
    const { stdout } = spawnSync('setpriv', [...asNobody, '--input-type=module', '-e', script, `${folder}/stranger`], {
      encoding: 'utf8',
    });
    expect(stdout).toContain(`Cannot read destination.identityFile "${folder}/stranger": permission denied`);
  });
});
