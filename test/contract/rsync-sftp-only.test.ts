import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startMaster } from '../../src/ssh/program/master.ts';
import type { TransportContext } from '../../src/transport.ts';
import { compareArguments } from '../../src/transports/rsync/arguments.ts';
import { judgeRun } from '../../src/transports/rsync/judge.ts';
import { parseRsyncOptions } from '../../src/transports/rsync/options.ts';
import { createRuns } from '../../src/transports/rsync/runs.ts';
import { openSession } from '../../src/transports/rsync/session.ts';
import { StagingTree } from '../../src/transports/rsync/staging-tree.ts';
import { startOwnReceiver } from '../support/own-receiver.ts';
import { describeServer, makeServerFiles } from '../support/servers/server-process.ts';
import { servers } from '../support/servers/servers.ts';
import type { TestServer } from '../support/server.ts';
import { startSshd } from '../support/sshd.ts';

// What a run of rsync comes to at a server that has no rsync to start: in seconds, and as what it is.

const LIMITS = { quietMs: 500, sftpMs: 5_000, commandMs: 1_500 };
const SFTP_ONLY = { kind: 'connection', class: 'auth', hint: 'set transport: sftp' };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-sftp-only-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** The verdict on the first run at that server. */
const firstRun = async ({ port, identityFile, knownHosts, path }: TestServer) => {
  const options = parseRsyncOptions({ transport: 'rsync', host: '127.0.0.1', port, user: 'root', identityFile, knownHosts, path }); // prettier-ignore
  const context: TransportContext = {
    site: 'test',
    owner: '01234567',
    stateFolder: `${folder}/state`,
    durable: false,
    bandwidth: null,
    log: () => undefined,
  };
  const { signal } = new AbortController();
  await using stack = new AsyncDisposableStack();
  const session = await openSession(options, context, 'there', signal);
  stack.defer(() => session.close());
  using tree = new StagingTree(session.stagingFolder);
  tree.placeholder('file', 0n, 0);
  const connect = () => startMaster(options, { stateFolder: context.stateFolder, where: 'there' }, signal);
  const runs = createRuns(session.master, undefined, { limits: LIMITS, connect });
  const args = compareArguments(session.target(tree), 'listed');
  const end = await runs.run(args, { list: tree.list }, signal);
  return judgeRun(end);
};

/** It takes SFTP, and does with a command what `exec` says. */
const startServer = async (exec: (session: ssh2.Session) => void): Promise<TestServer> => {
  const made = await makeServerFiles(folder);
  const clients = new Set<ssh2.Connection>();
  const server = new ssh2.Server({ hostKeys: [readFileSync(made.hostKey)] }, (client) => {
    clients.add(client);
    client.on('error', () => undefined);
    client.on('authentication', (login) => login.accept());
    client.on('session', (accept) => {
      const session = accept();
      session.on('subsystem', (acceptIt: () => ssh2.ServerChannel) => {
        const channel = acceptIt();
        const child = spawn('/usr/lib/openssh/sftp-server', { stdio: ['pipe', 'pipe', 'ignore'] });
        channel.pipe(child.stdin).on('error', () => undefined);
        child.stdout.pipe(channel);
        child.once('exit', () => channel.end());
      });
      exec(session);
    });
  });
  server.listen(made.port, '127.0.0.1');
  await once(server, 'listening');
  return describeServer(made, {
    dispose: async () => {
      for (const client of clients) client.end();
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  });
};

const startNamed = (name: string): Promise<TestServer> => {
  const program = servers.find((server) => server.name === name);
  if (program === undefined) throw new Error(name);
  return program.start(folder);
};

it.each<readonly [string, () => Promise<TestServer>]>([
  ['isocket receive', () => startOwnReceiver(folder)],
  ['ProFTPD', () => startNamed('ProFTPD mod_sftp')],
  ['internal-sftp as ForceCommand', () => startSshd(folder, { config: ['ForceCommand internal-sftp'] })],
  ['exec is refused', () => startServer((session) => session.on('exec', (_accept, reject) => reject()))],
  ['exec is never answered', () => startServer((session) => session.on('exec', () => undefined))],
  ['exec is accepted, and nothing comes', () => startServer((session) => session.on('exec', (accept) => accept()))],
  [
    'words on stdout, and the end',
    () =>
      startServer((session) =>
        session.on('exec', (accept) => {
          const channel = accept();
          channel.write('This service allows sftp connections only.\r\n');
          channel.exit(1);
          channel.end();
        }),
      ),
  ],
])('a server that takes SFTP only: %s', async (_what, start) => {
  await using server = await start();
  const startedMs = performance.now();
  expect(await firstRun(server)).toMatchObject(SFTP_ONLY);
  expect(performance.now() - startedMs).toBeLessThan(15_000);
});

it('a shell that takes longer to start than the server is asked for is waited for', async () => {
  await using server = await startSshd(folder, { config: ['ForceCommand sleep 1; eval "$SSH_ORIGINAL_COMMAND"'] });
  expect(await firstRun(server)).toEqual({ kind: 'files' });
});

it('a shell that prints something is no server for SFTP only', async () => {
  await using server = await startSshd(folder, { config: ['ForceCommand echo hello; eval "$SSH_ORIGINAL_COMMAND"'] });
  const verdict = await firstRun(server);
  expect(verdict).toMatchObject({ kind: 'connection', hint: expect.stringContaining('start-up files') as unknown });
});
