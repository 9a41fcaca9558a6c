import { once } from 'node:events';
import fs from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2, { type Client, type ClientChannel } from 'ssh2';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseAuthorizedKeys } from '../../../src/receiver/authorized-keys.ts';
import { unrestricted } from '../../../src/receiver/change-rules.ts';
import { openConfinedFolder } from '../../../src/receiver/confined-folder.ts';
import { ReceiverConnection } from '../../../src/receiver/connection.ts';
import { loadHostKey, parseHostKey } from '../../../src/receiver/host-key.ts';
import { Packet } from '../../../src/sftp/protocol.ts';

let home: string;
let root: string;
let server: Server;
let connections: ReceiverConnection[];
let logged: string[];

beforeEach(async () => {
  home = fs.mkdtempSync(join(tmpdir(), 'isocket-connection-'));
  root = join(home, 'root');
  fs.mkdirSync(root);
  const hostKey = parseHostKey(loadHostKey(join(home, 'host_key')));
  const userKey = parseHostKey(loadHostKey(join(home, 'user_key')));
  const keys = parseAuthorizedKeys(`ssh-ed25519 ${userKey.getPublicSSH().toString('base64')}`);
  connections = [];
  logged = [];
  server = createServer((socket) => {
    const options = { hostKey, keys, rules: unrestricted, onLogin: () => undefined };
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

const INIT = Buffer.from([0, 0, 0, 5, Packet.INIT, 0, 0, 0, 3]);

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
