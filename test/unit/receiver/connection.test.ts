import { once } from 'node:events';
import fs from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2, { type Client, type ClientChannel } from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ReceiverLimits } from '../../../src/core/receiver-limits.ts';
import { noCounts } from '../../../src/core/receiver-figures.ts';
import { DEFAULT_LIMITS } from '../../../src/receiver/admission.ts';
import { parseAuthorizedKeys } from '../../../src/receiver/authorized-keys.ts';
import { unrestricted } from '../../../src/receiver/change-rules.ts';
import { ClientLog } from '../../../src/receiver/client-log.ts';
import { openConfinedFolder } from '../../../src/receiver/confined-folder.ts';
import { ReceiverConnection } from '../../../src/receiver/connection.ts';
import { loadHostKey, parseHostKey } from '../../../src/receiver/host-key.ts';
import { RefusalLog } from '../../../src/receiver/refusal-log.ts';
import { PacketWriter } from '../../../src/sftp/packet-writer.ts';
import { OpenFlag, Packet } from '../../../src/sftp/protocol.ts';

let home: string;
let root: string;
let server: Server;
let connections: ReceiverConnection[];
let logged: string[];
let limits: ReceiverLimits;
let sockets: Socket[];

beforeEach(async () => {
  home = fs.mkdtempSync(join(tmpdir(), 'isocket-connection-'));
  root = join(home, 'root');
  fs.mkdirSync(root);
  const hostKey = parseHostKey(loadHostKey(join(home, 'host_key')));
  const userKey = parseHostKey(loadHostKey(join(home, 'user_key')));
  const keys = parseAuthorizedKeys(`ssh-ed25519 ${userKey.getPublicSSH().toString('base64')}`);
  connections = [];
  logged = [];
  limits = DEFAULT_LIMITS;
  sockets = [];
  server = createServer((socket) => {
    sockets.push(socket);
    const clientLog = new ClientLog({
      ...{ client: '', source: '', tell: () => undefined, counts: noCounts() },
      refusals: new RefusalLog((event) => void logged.push(`refused: ${event.reason ?? ''}`)),
    });
    const common = { keys: () => keys, rules: () => unrestricted, limits, onLogin: () => undefined };
    const options = { ...common, peer: '', hostKeys: [hostKey], clientLog };
    const openFolder = () => openConfinedFolder(root);
    const log = (level: string, message: string): void => void logged.push(`${level}: ${message}`);
    connections.push(new ReceiverConnection(socket, { ...options, openFolder, log }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(() => {
  server.close();
  fs.rmSync(home, { recursive: true });
});

const logIn = async (): Promise<{ client: Client; socket: Socket }> => {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('not listening');
  const socket = connect(address.port, '127.0.0.1');
  const client = new ssh2.Client();
  client.connect({ sock: socket, username: 'source', privateKey: fs.readFileSync(join(home, 'user_key')) });
  await once(client, 'ready');
  return { client, socket };
};

const openSftp = (client: Client): Promise<ClientChannel> =>
  new Promise((resolve, reject) => {
    client.subsys('sftp', (error, channel) => {
      if (error) reject(error);
      else resolve(channel);
    });
  });

/** The client's private parts that send what its public ones never would. */
interface Internals {
  readonly _protocol: { subsystem(channel: number, name: string, wantsReply: boolean): void };
}
const hasInternals = (client: unknown): client is Internals =>
  typeof client === 'object' && client !== null && '_protocol' in client;

const openBelowRoot = (): string[] =>
  fs.readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith(root);
    } catch {
      return false;
    }
  });

/** The kernel's timer of the server's end of each connection: 02 is keepalive. */
const kernelTimers = (): (string | undefined)[] => {
  const port = (sockets[0]?.localPort ?? 0).toString(16).toUpperCase().padStart(4, '0');
  return fs
    .readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => local?.endsWith(`:${port}`) === true && state === '01')
    .map(([, , , , , timer]) => timer?.split(':')[0]);
};

const INIT = Buffer.from([0, 0, 0, 5, Packet.INIT, 0, 0, 0, 3]);

const READ_BYTES = 255 * 1024;
const READ_COUNT = 10;
/** INIT, OPEN, and as many READs: 2.5 MB of replies. */
const READS = ((): Buffer => {
  const writer = new PacketWriter();
  writer.begin(Packet.OPEN).u32(1).bytes('file').u32(OpenFlag.READ).attributes({}).end();
  const handle = Buffer.from([0, 0, 0, 1]);
  for (let count = 0; count < READ_COUNT; count += 1)
    writer.begin(Packet.READ).u32(2).bytes(handle).u64(0).u32(READ_BYTES).end();
  return Buffer.concat([INIT, writer.take()]);
})();

describe('a session', () => {
  it('refuses a second subsystem, and keeps serving the first', async () => {
    const { client, socket } = await logIn();
    const channel = await openSftp(client);
    if (!hasInternals(client)) throw new Error('ssh2 has changed');
    client._protocol.subsystem(0, 'sftp', false);
    channel.write(INIT);
    const version: unknown[] = await Promise.race([once(channel, 'data'), once(socket, 'close')]);
    expect(logged).toEqual([]);
    expect(version[0]).toMatchObject({ 4: Packet.VERSION });
    expect(openBelowRoot()).toHaveLength(1);
    socket.destroy();
    await Promise.all(connections.map((connection) => connection.closed));
    expect(openBelowRoot()).toEqual([]);
    expect(logged).toEqual([]);
  });
});

describe('a connection', () => {
  it('is probed while it is idle, so that one whose client is gone does not count for ever', async () => {
    const { socket } = await logIn();
    await expect.poll(kernelTimers).toEqual(['02']);
    socket.destroy();
    await Promise.all(connections.map((connection) => connection.closed));
  });

  it('that answers no keep-alive ends, but not while it may be reading what it was sent', async () => {
    limits = { ...DEFAULT_LIMITS, keepAliveMs: 50 };
    fs.writeFileSync(join(root, 'file'), Buffer.alloc(READ_BYTES));
    const reading = await logIn();
    const channel = await openSftp(reading.client);
    reading.socket.pause();
    channel.write(READS);
    // As much as the window of the channel lets through.
    await expect.poll(() => sockets[0]?.bytesWritten ?? 0).toBeGreaterThan(2 * 2 ** 20);
    const silent = await logIn();
    silent.socket.pause();
    await connections[1]?.closed;
    let bytes = 0;
    channel.on('data', (chunk: Buffer) => (bytes += chunk.length));
    channel.end();
    reading.socket.resume();
    await once(channel, 'end');
    expect(bytes).toBeGreaterThan(READ_COUNT * READ_BYTES);
    expect(logged).toEqual(['info: : Keepalive timeout']);
    for (const { socket } of [reading, silent]) socket.destroy();
    await Promise.all(connections.map((connection) => connection.closed));
  });

  it('serves as many sessions as it allows while its client reads nothing, and then sends every reply', async () => {
    const warnings: string[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning.message);
    process.on('warning', onWarning);
    fs.writeFileSync(join(root, 'file'), Buffer.alloc(READ_BYTES));
    const { client, socket } = await logIn();
    const channels: ClientChannel[] = [];
    for (let count = 0; count < 16; count += 1) channels.push(await openSftp(client));
    socket.pause();
    for (const channel of channels) channel.write(READS);
    await expect.poll(() => sockets[0]?.listenerCount('drain') ?? 0).toBeGreaterThan(10);
    const received = channels.map(async (channel) => {
      let bytes = 0;
      channel.on('data', (chunk: Buffer) => (bytes += chunk.length));
      await once(channel, 'end');
      return bytes;
    });
    for (const channel of channels) channel.end();
    socket.resume();
    for (const bytes of await Promise.all(received)) expect(bytes).toBeGreaterThan(READ_COUNT * READ_BYTES);
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
    expect(logged).toEqual([]);
    socket.destroy();
    await Promise.all(connections.map((connection) => connection.closed));
  });
});
