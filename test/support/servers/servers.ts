import { execa } from 'execa';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { startOwnReceiver } from '../own-receiver.ts';
import type { TestServer } from '../server.ts';
import { startSshd } from '../sshd.ts';
import { describeServer, makeServerFiles, startProgram, withFiles, type ServerFiles } from './server-process.ts';
import { startSsh2Server } from './ssh2-server.ts';

/** A server program that the matrix runs against. */
export interface ServerProgram {
  readonly name: string;
  /** Not in every run of the tests, but with SERVERS=all: it takes long to start or to install. */
  readonly isHeavy?: boolean;
  readonly start: (folder: string) => Promise<TestServer>;
}

const FIXTURES = new URL('../../fixtures/servers/', import.meta.url).pathname;

/** Root's home is the server's folder: these programs read authorized_keys from there only. */
const homePlace = ({ files }: ServerFiles): Readonly<Record<string, string>> => {
  writeFileSync(
    `${files}/passwd`,
    readFileSync('/etc/passwd', 'utf8').replace(/^root:.*$/m, `root:x:0:0:root:${files}:/bin/bash`),
  );
  return { '/etc/passwd': `${files}/passwd` };
};

const startChrooted = async (folder: string): Promise<TestServer> => {
  const server = await startSshd(folder, { config: [`ChrootDirectory ${folder}`, 'ForceCommand internal-sftp'] });
  return { ...server, path: '/destination' };
};

const startProftpd = async (folder: string): Promise<TestServer> => {
  const made = await makeServerFiles(folder);
  const { files, port, hostKey, userKey } = made;
  const { stdout } = await execa('ssh-keygen', ['-e', '-f', `${userKey}.pub`]);
  writeFileSync(`${files}/keys`, `${stdout}\n`);
  writeFileSync(
    `${files}/proftpd.conf`,
    [
      'LoadModule mod_sftp.c',
      'ServerType standalone',
      'DefaultAddress 127.0.0.1',
      `Port ${port}`,
      'UseIPv6 off',
      'User root',
      'Group root',
      'RootLogin on',
      'UseFtpUsers off',
      'RequireValidShell off',
      'AuthOrder mod_auth_unix.c',
      `PidFile ${files}/proftpd.pid`,
      `ScoreboardFile ${files}/scoreboard`,
      `DelayTable none`,
      'WtmpLog off',
      'TransferLog none',
      `SystemLog ${files}/log`,
      'AllowOverwrite on',
      'SFTPEngine on',
      `SFTPLog ${files}/sftp.log`,
      `SFTPHostKey ${hostKey}`,
      'SFTPAuthMethods publickey',
      `SFTPAuthorizedUserKeys file:${files}/keys`,
      '',
    ].join('\n'),
  );
  return startProgram(made, ['/usr/sbin/proftpd', '-n', '-q', '-c', `${files}/proftpd.conf`]);
};

const startDropbear =
  (sftpServer: string) =>
  async (folder: string): Promise<TestServer> => {
    const made = await makeServerFiles(folder);
    const key = `${made.files}/dropbear_key`;
    await execa('dropbearconvert', ['openssh', 'dropbear', made.hostKey, key]);
    const places = { ...homePlace(made), '/usr/lib/sftp-server': sftpServer };
    const command = ['/usr/sbin/dropbear', '-F', '-E', '-s', '-p', `127.0.0.1:${made.port}`, '-r', key];
    return startProgram(made, withFiles(places, [...command, '-P', `${made.files}/pid`]));
  };

/** tinysshd serves one connection on its standard input and output, as from inetd. */
const startTinysshd = async (folder: string): Promise<TestServer> => {
  const made = await makeServerFiles(folder);
  const keys = `${made.files}/keys`;
  await execa('tinysshd-makekey', [keys]);
  const { stdout } = await execa('tinysshd-printkey', [keys]);
  writeFileSync(
    `${made.files}/known_hosts`,
    `[127.0.0.1]:${made.port} ${stdout.trim().split(/\s+/).slice(0, 2).join(' ')}\n`,
  );
  const [file = '', ...args] = withFiles(homePlace(made), [
    '/usr/sbin/tinysshd',
    '-x',
    'sftp=/usr/lib/openssh/sftp-server',
    keys,
  ]);
  const children = new Set<ChildProcess>();
  const server = createServer((socket) => {
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'ignore'] });
    children.add(child);
    child.once('exit', () => {
      children.delete(child);
      socket.destroy();
    });
    socket.on('error', () => undefined);
    socket.once('close', () => child.kill('SIGKILL'));
    child.stdin.on('error', () => undefined);
    socket.pipe(child.stdin);
    child.stdout.pipe(socket);
  });
  server.listen(made.port, '127.0.0.1');
  await once(server, 'listening');
  return describeServer(made, {
    dispose: async () => {
      server.close();
      const left = [...children].map((child) => once(child, 'exit'));
      for (const child of children) child.kill('SIGKILL');
      await Promise.all(left);
    },
  });
};

const startAsyncssh = async (folder: string): Promise<TestServer> => {
  const made = await makeServerFiles(folder);
  const script = `${FIXTURES}asyncssh_server.py`;
  return startProgram(made, ['/usr/bin/python3', script, String(made.port), made.hostKey, `${made.userKey}.pub`]);
};

const startParamiko = async (folder: string): Promise<TestServer> => {
  const made = await makeServerFiles(folder);
  const script = `${FIXTURES}paramiko_server.py`;
  return startProgram(made, ['/usr/bin/python3', script, String(made.port), made.hostKey, `${made.userKey}.pub`]);
};

const startRclone = async (folder: string): Promise<TestServer> => {
  const made = await makeServerFiles(folder);
  const { port, hostKey, userKey, destination } = made;
  const command = ['rclone', 'serve', 'sftp', destination, '--config', '/dev/null', '--addr', `127.0.0.1:${port}`];
  return startProgram(made, [...command, '--key', hostKey, '--authorized-keys', `${userKey}.pub`], { path: '/' });
};

const startErlang = async (folder: string): Promise<TestServer> => {
  const made = await makeServerFiles(folder);
  const { files, port, hostKey } = made;
  mkdirSync(`${files}/system`);
  writeFileSync(`${files}/system/ssh_host_ed25519_key`, readFileSync(hostKey), { mode: 0o600 });
  return startProgram(made, [
    'escript',
    `${FIXTURES}erlang_server.erl`,
    String(port),
    `${files}/system`,
    `${files}/.ssh`,
  ]);
};

const startMysecureshell = async (folder: string): Promise<TestServer> => {
  const made = `${folder}/sftp_config`;
  writeFileSync(
    made,
    ['<Default>', 'StayAtHome false', 'VirtualChroot false', 'IdleTimeOut 5m', '</Default>', ''].join('\n'),
  );
  return startSshd(folder, {
    config: [
      `ForceCommand unshare -m sh -c 'mount --bind ${made} /etc/ssh/sftp_config && exec mysecureshell -c sftp-server'`,
    ],
  });
};

/** Compiled once for a state of its source, by Debian's Go from Debian's sources. */
const startPkgSftp = async (folder: string): Promise<TestServer> => {
  const source = `${FIXTURES}pkg-sftp.go`;
  const digest = createHash('sha256').update(readFileSync(source)).digest('hex').slice(0, 16);
  const program = `${tmpdir()}/isocket-pkg-sftp-${digest}`;
  if (!existsSync(program)) {
    const env = { GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOCACHE: `${folder}/go-cache`, GOFLAGS: '' };
    await execa('go', ['build', '-o', `${program}.${process.pid}`, source], { env });
    renameSync(`${program}.${process.pid}`, program);
  }
  const made = await makeServerFiles(folder);
  return startProgram(made, [program, String(made.port), made.hostKey, `${made.userKey}.pub`]);
};

/** Every server program, as docs/servers.md lists them. */
export const servers: readonly ServerProgram[] = [
  { name: 'OpenSSH sftp-server', start: startSshd },
  { name: 'OpenSSH internal-sftp, chroot', start: startChrooted },
  { name: 'ProFTPD mod_sftp', start: startProftpd },
  { name: 'Dropbear, OpenSSH sftp-server', start: startDropbear('/usr/lib/openssh/sftp-server') },
  { name: 'Dropbear, gesftpserver', start: startDropbear('/usr/libexec/gesftpserver') },
  { name: 'tinysshd, OpenSSH sftp-server', start: startTinysshd },
  { name: 'asyncssh', start: startAsyncssh },
  { name: 'paramiko', start: startParamiko },
  { name: 'rclone serve sftp', start: startRclone },
  { name: 'Erlang ssh_sftpd', isHeavy: true, start: startErlang },
  { name: 'MySecureShell', start: startMysecureshell },
  { name: 'Go pkg/sftp', isHeavy: true, start: startPkgSftp },
  { name: 'ssh2 (npm)', start: startSsh2Server },
  { name: 'isocket receive', start: startOwnReceiver },
];
