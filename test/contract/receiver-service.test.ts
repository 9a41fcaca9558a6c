import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ssh2 from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ClientEvent } from '../../src/core/events.ts';
import { loadHostKey } from '../../src/receiver/host-key.ts';
import { startReceiver, type Receiver, type ReceiverOptions } from '../../src/receiver/receiver.ts';
import { PacketWriter } from '../../src/sftp/packet-writer.ts';
import { Packet } from '../../src/sftp/protocol.ts';
import { openChannels } from '../../src/transports/sftp/channels.ts';
import { parseSftpOptions } from '../../src/transports/sftp/options.ts';
import { ServerHabits } from '../../src/transports/sftp/server-habits.ts';
import { startProxy } from '../support/proxy.ts';

let home: string;
let root: string;
let key: string;
let receiver: Receiver | undefined;
let told: ClientEvent[];
let warnings: string[];

const inHome = (name: string): string => join(home, name);
const makeKey = (name: string, type = 'ed25519'): string => {
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-f', inHome(name)]);
  return fs.readFileSync(inHome(`${name}.pub`), 'utf8').trim();
};

beforeEach(() => {
  home = fs.mkdtempSync(join(tmpdir(), 'isocket-service-'));
  root = inHome('root');
  fs.mkdirSync(root);
  key = makeKey('key');
  [told, warnings] = [[], []];
});
afterEach(async () => {
  await receiver?.[Symbol.asyncDispose]();
  receiver = undefined;
  fs.rmSync(home, { recursive: true });
});

const start = async (authorized: string, options: Partial<ReceiverOptions> = {}): Promise<Receiver> => {
  fs.writeFileSync(inHome('keys'), `${authorized}\n`);
  receiver = await startReceiver({
    ...{ root, host: '127.0.0.1', port: 0, authorizedKeys: { file: inHome('keys') } },
    hostKey: loadHostKey(inHome('host_key')),
    log: (_, message) => warnings.push(message),
    tell: (event) => told.push(event),
    ...options,
  });
  return receiver;
};

const options = (more: readonly string[] = []): string[] => [
  ...['-F', 'none', '-o', `IdentityFile=${inHome('key')}`, '-o', 'IdentitiesOnly=yes', '-o', 'BatchMode=yes'],
  ...['-o', 'StrictHostKeyChecking=no', '-o', `UserKnownHostsFile=${inHome('known')}`, '-o', 'LogLevel=ERROR', ...more],
];
const sftp = async (commands: string, more: readonly string[] = []): Promise<boolean> => {
  fs.writeFileSync(inHome('batch'), `${commands}\n`);
  const args = [...options(more), '-P', String(receiver?.port), '-b', inHome('batch'), 'x@127.0.0.1'];
  return promisify(execFile)('sftp', args).then(
    () => true,
    () => false,
  );
};
/** An `sftp` that stays, and is told what to do. */
const openSftp = (port = receiver?.port) => {
  const client = spawn('sftp', [...options(), '-P', String(port), '-b', '-', 'x@127.0.0.1'], {
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  client.stdin.on('error', () => undefined);
  return client;
};
/** It waits for its input, whatever its connection does. */
const isGone = async (client: ReturnType<typeof openSftp>): Promise<void> => {
  await expect.poll(actions, { timeout: 10_000 }).toContain('logout');
  client.stdin.end();
};
/** What sends requests without waiting for replies, as the client's public parts never would. */
interface Pipelining {
  readonly _protocol: {
    session(channel: number, window: number, packet: number): void;
    subsystem(channel: number, name: string, wantsReply: boolean): void;
    channelData(channel: number, data: Buffer): void;
  };
}
const hasProtocol = (client: unknown): client is Pipelining =>
  typeof client === 'object' && client !== null && '_protocol' in client;
const actions = (): string[] => told.map(({ action }) => action);

describe('authorized keys', () => {
  it('are read again: an added key gets in, a removed one does not, and who is in with it ends', async () => {
    const other = makeKey('other');
    await start(other);
    expect(await sftp('pwd')).toBe(false);
    fs.writeFileSync(inHome('keys'), `${other}\n${key}\n`);
    const client = openSftp();
    await expect.poll(actions).toContain('login');
    fs.writeFileSync(inHome('keys'), `${other}\n`);
    receiver?.reload();
    await isGone(client);
    expect(await sftp('pwd')).toBe(false);
    expect(told.map(({ reason = '' }) => reason)).toContain('its key is not authorized any more');
  });

  it('that are gone from the file end without a signal, too', async () => {
    await start(key);
    const client = openSftp();
    await expect.poll(actions).toContain('login');
    fs.writeFileSync(inHome('keys'), `${makeKey('other')}\n`);
    await isGone(client);
  });

  it('that cannot be read let nobody new in, and keep who is in', async () => {
    await start(key);
    const client = openSftp();
    await expect.poll(actions).toContain('login');
    fs.renameSync(inHome('keys'), inHome('away'));
    receiver?.reload();
    expect(await sftp('pwd')).toBe(false);
    expect(warnings.join()).toContain('nobody new gets in until they can be read');
    client.stdin.write('mkdir still-in\n');
    await expect.poll(() => fs.existsSync(join(root, 'still-in'))).toBe(true);
    fs.renameSync(inHome('away'), inHome('keys'));
    expect(await sftp('pwd')).toBe(true);
    client.stdin.end();
    await once(client, 'exit');
  });

  it('that become a pipe, or a folder, let nobody new in, and hold nothing up', async () => {
    await start(key);
    for (const make of ['mkfifo', 'mkdir']) {
      fs.renameSync(inHome('keys'), inHome('away'));
      execFileSync(make, [inHome('keys')]);
      expect(await sftp('pwd')).toBe(false);
      expect(warnings.at(-1)).toContain('it is not a regular file');
      fs.rmSync(inHome('keys'), { recursive: true });
      fs.renameSync(inHome('away'), inHome('keys'));
      expect(await sftp('pwd')).toBe(true);
    }
  });

  it('with path= see their own folder as the root, and nothing beside it', async () => {
    fs.mkdirSync(join(root, 'ED1'));
    fs.writeFileSync(join(root, 'outside'), 'secret');
    fs.symlinkSync('..', join(root, 'ED1/up'));
    await start(`path="ED1" ${key}`);
    expect(await sftp(`put ${inHome('key.pub')} in`)).toBe(true);
    expect(fs.existsSync(join(root, 'ED1/in'))).toBe(true);
    for (const path of ['outside', '../outside', '/../outside', 'up/outside'])
      expect.soft(await sftp(`get ${path} ${inHome('stolen')}`)).toBe(false);
  });

  it('with a path= that is missing, or behind a link, get nothing; it is said', async () => {
    fs.symlinkSync('/etc', join(root, 'ED2'));
    await start(`path="ED2" ${key}`);
    expect(warnings.join()).toMatch(/path="ED2" in line 1 .* cannot be opened .*make the folder/);
    expect(await sftp('ls')).toBe(false);
  });

  it('with from= and expiry-time= get in from there, until then', async () => {
    await start(`from="127.0.0.0/8,!127.0.0.2" ${key}`);
    expect(await sftp('pwd')).toBe(true);
    expect(await sftp('pwd', ['-o', 'BindAddress=127.0.0.2'])).toBe(false);
    fs.writeFileSync(inHome('keys'), `expiry-time="20200101" ${key}\n`);
    expect(await sftp('pwd')).toBe(false);
    expect(told.map(({ reason = '' }) => reason).join('\n')).toMatch(/from= in line 1.*\n.*expiry-time in line 1/s);
  });
});

it('nothing is written where the disk of the root is not mounted any more', async () => {
  const mount = (): Buffer => execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', root]);
  const put = `put ${inHome('key.pub')} file`;
  mount();
  try {
    await start(key);
    expect(await sftp(put)).toBe(true);
    execFileSync('umount', [root]);
    expect(await sftp(put)).toBe(false);
    expect(fs.readdirSync(root)).toEqual([]);
    expect(warnings.at(-1)).toContain('is not mounted any more');
    expect((await receiver?.figures())?.problems.join()).toContain('is not mounted any more');
  } finally {
    mount();
  }
  expect(await sftp(put)).toBe(true);
  execFileSync('umount', ['-l', root]);
});

describe('strangers', () => {
  it('a client gets in within 5 s while 200 silent connections are held and renewed elsewhere', async () => {
    const { port } = await start(key);
    let isOver = false;
    const hold = (): Socket => {
      const socket = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' });
      return socket
        .on('error', () => undefined)
        .resume()
        .once('close', () => {
          if (!isOver) setTimeout(() => !isOver && sockets.add(hold()), 20);
          sockets.delete(socket);
        });
    };
    const sockets = new Set<Socket>();
    for (let count = 0; count < 200; count += 1) sockets.add(hold());
    await expect.poll(actions).toContain('refused');
    const began = performance.now();
    expect(await sftp('pwd')).toBe(true);
    expect(performance.now() - began).toBeLessThan(5000);
    expect(actions().filter((action) => action === 'refused')).toHaveLength(1);
    isOver = true;
    for (const socket of sockets) socket.destroy();
  });

  it('fill no log: what they choose is told in part', async () => {
    const { port } = await start(makeKey('other'));
    const client = new ssh2.Client();
    client.on('error', () => undefined);
    const gone = new Promise<void>((resolve) => client.on('close', () => resolve()));
    const privateKey = fs.readFileSync(inHome('key'));
    client.connect({ host: '127.0.0.1', port, username: 'x'.repeat(30_000), privateKey });
    await gone;
    await expect.poll(actions).toContain('refused');
    expect(told.at(-1)).toMatchObject({
      kind: 'key',
      user: `${'x'.repeat(200)}…`,
      key: expect.stringMatching(/^SHA256:/) as string,
      reason: 'it is not authorized',
    });
  });

  it('who is refused after its login is served nothing, though it does not wait for a reply', async () => {
    fs.mkdirSync(join(root, 'own'));
    await start(`path="own" ${key}`, { limits: { connectionsPerKey: 1 } });
    const first = openSftp();
    await expect.poll(actions).toContain('login');
    const client = new ssh2.Client();
    client.on('error', () => undefined);
    client.on('ready', () => {
      if (!hasProtocol(client)) throw new Error('ssh2 has no _protocol');
      const packets = new PacketWriter();
      packets.begin(Packet.INIT).u32(3).end();
      packets.begin(Packet.MKDIR).u32(1).bytes('/outside').attributes({}).end();
      client._protocol.session(0, 1 << 20, 1 << 15);
      client._protocol.subsystem(0, 'sftp', false);
      client._protocol.channelData(0, packets.take());
    });
    client.connect({
      host: '127.0.0.1',
      port: receiver?.port ?? 0,
      username: 'x',
      privateKey: fs.readFileSync(inHome('key')),
    });
    // Not `once`, which an error on the way rejects.
    await new Promise<void>((resolve) => client.on('close', () => resolve()));
    await expect.poll(actions).toContain('refused');
    first.stdin.end();
    await once(first, 'close');
    await receiver?.[Symbol.asyncDispose]();
    expect(fs.readdirSync(root)).toEqual(['own']);
    expect(fs.readdirSync(join(root, 'own'))).toEqual([]);
  });

  it('a connection that moves stays, though its answer to a keep-alive is long under way', async () => {
    const { port } = await start(key, { limits: { keepAliveMs: 200 } });
    await using proxy = await startProxy(port);
    fs.writeFileSync(inHome('data'), Buffer.alloc(8000, 1));
    const client = openSftp(proxy.port);
    await expect.poll(actions).toContain('login');
    proxy.trickle(3000);
    client.stdin.write(`put ${inHome('data')} data\n`);
    await expect.poll(actions, { timeout: 20_000 }).toContain('wrote');
    expect(fs.statSync(join(root, 'data')).size).toBe(8000);
    client.stdin.end();
    await once(client, 'close');
  });

  it('connections of one key are limited, and one that asks for nothing ends', async () => {
    await start(key, { limits: { connectionsPerKey: 1, idleMs: 1500 } });
    const client = openSftp();
    await expect.poll(actions).toContain('login');
    expect(await sftp('pwd')).toBe(false);
    expect(told.at(-1)?.reason).toContain('limits.connectionsPerKey');
    await isGone(client);
    expect(told.map(({ reason }) => reason)).toContain('it asked for nothing for long (limits.idle)');
    expect(await sftp('pwd')).toBe(true);
  });
});

describe.each(['builtin', 'system'])('an isocket with ssh: %s that is refused', (ssh) => {
  const open = (): ReturnType<typeof openChannels> => {
    const { port = 0 } = receiver ?? {};
    const hostKey = execFileSync('ssh-keygen', ['-y', '-f', inHome('host_key')], { encoding: 'utf8' });
    fs.writeFileSync(inHome('known'), `[127.0.0.1]:${port} ${hostKey}`);
    const login = { host: '127.0.0.1', port, user: 'x', identityFile: inHome('key'), knownHosts: inHome('known') };
    const log = (): void => undefined;
    return openChannels(
      parseSftpOptions({ transport: 'sftp', path: '/', ssh, ...login }),
      { durable: false, stateFolder: inHome('state'), log },
      new ServerHabits(log),
      new AbortController().signal,
    );
  };

  it('hears which folder is missing, and what to do', async () => {
    await start(`path="ED9" ${key}`);
    await expect(open()).rejects.toMatchObject({
      message: expect.stringMatching(
        /isocket receive there says: the folder "ED9" of this key \(path=\) cannot be opened: no such file or directory$/,
      ) as string,
      hint: 'make it there, below the root',
    });
    expect(warnings.join()).not.toContain('/proc/self');
  });

  it('hears which limit is reached', async () => {
    await start(key, { limits: { connectionsPerKey: 1 } });
    const first = openSftp();
    await expect.poll(actions).toContain('login');
    await expect(open()).rejects.toMatchObject({
      class: 'network',
      message: expect.stringContaining('1 connection with its key is open (limits.connectionsPerKey)') as string,
      hint: 'raise that limit there, or let fewer clients connect at once',
    });
    first.stdin.end();
    await once(first, 'close');
  });
});

describe('atomic puts', () => {
  it('a file has its name once it is closed, and keeps the old content until then', async () => {
    await start(key, { atomicPuts: true });
    fs.writeFileSync(join(root, 'there'), 'old', { mode: 0o640 });
    expect(await sftp(`put -p ${inHome('key.pub')} new\nput ${inHome('key.pub')} there`)).toBe(true);
    expect(fs.readdirSync(root).sort()).toEqual(['new', 'there']);
    expect(fs.readFileSync(join(root, 'there'), 'utf8').trim()).toBe(key);
    expect(fs.statSync(join(root, 'there')).mode & 0o777).toBe(0o640);
  });

  it('a client that dies leaves nothing, and what is there stays', async () => {
    await start(key, { atomicPuts: true });
    fs.writeFileSync(join(root, 'there'), 'old');
    fs.writeFileSync(inHome('big'), '');
    fs.truncateSync(inHome('big'), 2 ** 36);
    const client = openSftp();
    client.stdin.write(`put ${inHome('big')} there\n`);
    await expect.poll(() => fs.readdirSync(root).length).toBe(2);
    expect(fs.readFileSync(join(root, 'there'), 'utf8')).toBe('old');
    client.kill('SIGKILL');
    await expect.poll(() => fs.readdirSync(root)).toEqual(['there']);
    expect(fs.readFileSync(join(root, 'there'), 'utf8')).toBe('old');
    expect(actions()).toContain('cut');
  });

  it('reput and append go on with what is there', async () => {
    await start(key, { atomicPuts: true });
    fs.writeFileSync(inHome('data'), 'abcdef');
    fs.writeFileSync(join(root, 'data'), 'abc');
    expect(await sftp(`reput ${inHome('data')} data`)).toBe(true);
    expect(fs.readFileSync(join(root, 'data'), 'utf8')).toBe('abcdef');
  });
});

describe('its end', () => {
  it('waits for a file that is open, and ends the idle at once', async () => {
    await start(key);
    fs.writeFileSync(inHome('data'), Buffer.alloc(3 * 2 ** 20, 1));
    const idle = openSftp();
    await expect.poll(actions).toContain('login');
    const slow = spawn('sftp', [...options(['-l', '8000']), '-P', String(receiver?.port), '-b', '-', 'x@127.0.0.1'], {
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    slow.stdin.end(`put ${inHome('data')} slow\n`);
    await expect.poll(() => fs.existsSync(join(root, 'slow'))).toBe(true);
    const cut = receiver?.drain();
    await isGone(idle);
    expect(await cut).toBe(0);
    expect(fs.statSync(join(root, 'slow')).size).toBe(3 * 2 ** 20);
  });

  it('cuts a transfer that takes longer than limits.end, and says so', async () => {
    await start(key, { limits: { endMs: 300 } });
    fs.writeFileSync(inHome('big'), '');
    fs.truncateSync(inHome('big'), 2 ** 36);
    const client = openSftp();
    client.stdin.write(`put ${inHome('big')} big\n`);
    await expect.poll(() => fs.existsSync(join(root, 'big'))).toBe(true);
    expect(await receiver?.drain()).toBe(1);
    await receiver?.[Symbol.asyncDispose]();
    client.stdin.destroy();
  });
});

describe('what it tells', () => {
  it('who logged in, wrote, renamed and removed what, and what was refused', async () => {
    await start(key, { appendOnly: false });
    await sftp(`put ${inHome('key.pub')} a\nrename a b\nmkdir d\nrm b\nrmdir d`);
    await expect.poll(actions).toContain('logout');
    expect(actions()).toEqual(['login', 'wrote', 'renamed', 'made', 'removed', 'removed', 'logout']);
    const { size } = fs.statSync(inHome('key.pub'));
    expect(told[1]).toMatchObject({
      path: '/a',
      bytes: size,
      client: expect.stringMatching(/^127\.0\.0\.1:\d+$/) as string,
    });
    expect(told.at(-1)?.totals).toMatchObject({ files: 1, renamed: 1, removed: 2, written: size });
    expect(told.at(-1)?.key).toBe(
      execFileSync('ssh-keygen', ['-lf', inHome('key')], { encoding: 'utf8' }).split(' ')[1],
    );
  });
});

describe('algorithms', () => {
  it('ssh-audit finds nothing that fails, with an RSA host key too', async () => {
    makeKey('rsa', 'rsa');
    const hostKey = [loadHostKey(inHome('host_key')), fs.readFileSync(inHome('rsa'))];
    const { port, fingerprints } = await start(key, { hostKey });
    expect(fingerprints).toHaveLength(2);
    const audit = await promisify(execFile)('ssh-audit', ['-n', '-l', 'fail', '-p', String(port), '127.0.0.1']).catch(
      (error: unknown) => error as { stdout: string },
    );
    expect(audit.stdout).not.toContain('[fail]');
    for (const algorithm of ['ssh-ed25519', 'rsa-sha2-512', 'rsa-sha2-256'])
      expect
        .soft(await sftp('pwd', ['-o', `HostKeyAlgorithms=${algorithm}`, '-o', 'UserKnownHostsFile=/dev/null']))
        .toBe(true);
    expect(await sftp('pwd', ['-o', 'HostKeyAlgorithms=ssh-rsa', '-o', 'UserKnownHostsFile=/dev/null'])).toBe(false);
  });
});
