import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2, { type Client, type ClientChannel } from 'ssh2';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { CLI_COMMAND } from '../support/cli.ts';
import { ask } from '../support/http-client.ts';
import { reportRow, rounds } from '../support/invariant.ts';
import { mutate, pick } from '../support/mutate.ts';
import { freePort, listening } from '../support/ports.ts';
import { createRandom, type Random } from '../support/producers.ts';
import { peakMbOf } from '../support/process-memory.ts';
import { startReceiverProcess, type ReceiverProcess } from '../support/receiver-process.ts';
import { recordSessions, type Session } from '../support/sftp-recordings.ts';

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const PACKETS = rounds(3000, 200_000);
const BEFORE_LOGIN = rounds(1500, 200_000);
/** Before a login: ssh2 ends a connection at the first packet that it cannot read. */
const PER_CONNECTION = 10;
/** Sessions side by side on one connection. */
const AT_ONCE = 8;
const LIMIT_MB = 300;
const SECRET = 'the secret outside';

let folder: string;
let server: ReceiverProcess;
let status: number;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'isocket-fuzz-'));
  status = await freePort();
  mkdirSync(`${folder}/outside`);
  writeFileSync(`${folder}/outside/secret`, SECRET);
  // A file of any size could be asked for, and be read for ever.
  const command = ['prlimit', '--fsize=16777216', ...CLI_COMMAND];
  const many = { limits: { logins: 1000, loginsPerAddress: 1000 } };
  const receive = { root: '/', listen: '127.0.0.1:1', authorizedKeys: '/none', ...many };
  writeFileSync(`${folder}/rc.json`, JSON.stringify({ receive }), { mode: 0o600 });
  const args = ['--config', `${folder}/rc.json`, '--status-listen', String(status)];
  server = await startReceiverProcess(folder, { command, args });
  await listening(status, () => undefined);
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  execFileSync('rm', ['-rf', folder]);
});

const fillRoot = (): void => {
  // Names of any bytes: Node would miss them.
  execFileSync('find', [server.folder, '-mindepth', '1', '-delete']);
  mkdirSync(`${server.folder}/d`);
  writeFileSync(`${server.folder}/file`, 'inside');
  symlinkSync('../outside', `${server.folder}/link`);
};
const outside = (): string =>
  ['outside', 'outside/secret']
    .map((name) => lstatSync(`${folder}/${name}`, { bigint: true }))
    .map(({ mode, uid, size, mtimeNs, ctimeNs }) => [mode, uid, size, mtimeNs, ctimeNs].join(' '))
    .join('\n');
const descriptors = (): number => readdirSync(`/proc/${server.pid}/fd`).length;

const logIn = async (): Promise<Client> => {
  const client = new ssh2.Client();
  client.on('error', () => undefined);
  const privateKey = readFileSync(server.identityFile);
  client.connect({ host: '127.0.0.1', port: server.port, username: 'x', privateKey });
  await once(client, 'ready');
  return client;
};

/** Sends a session at once, and waits until the receiver has ended it. */
const send = async (client: Client, packets: readonly Buffer[]): Promise<void> => {
  const channel = await new Promise<ClientChannel>((resolve, reject) => {
    client.subsys('sftp', (error, opened) => (error ? reject(error) : resolve(opened)));
  });
  channel.on('error', () => undefined);
  channel.on('data', (chunk: Buffer) => expect(chunk.includes(SECRET)).toBe(false));
  channel.stderr.resume();
  const closed = new Promise<void>((resolve) => channel.once('close', () => resolve()));
  for (const packet of packets) {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(packet.length);
    channel.write(Buffer.concat([length, packet]));
  }
  channel.end();
  await closed;
};

/** INIT as it was; the others as they were, mutated, twice, left out, or of another session. */
const mutateSession = (
  session: Session,
  all: readonly Session[],
  random: Random,
): { packets: Buffer[]; mutated: number } => {
  const packets: Buffer[] = [];
  let mutated = 0;
  for (const [index, packet] of session.entries()) {
    const fate = index === 0 ? 9 : random.below(10);
    if (fate < 5) {
      packets.push(mutate(fate === 0 ? pick(pick(all, random), random) : packet, random));
      mutated += 1;
    } else if (fate < 9) packets.push(packet);
    else packets.push(packet, ...(index === 0 ? [] : [packet]));
  }
  return { packets, mutated };
};

/** It serves as before, and holds nothing of what was. */
const expectNothingHeld = async (before: number): Promise<void> => {
  const figures = async () =>
    JSON.parse((await ask(status, '/status.json')).text) as { clients: unknown[]; waiting: number };
  await expect.poll(figures, { timeout: 30_000 }).toMatchObject({ clients: [], waiting: 0 });
  await expect.poll(descriptors, { timeout: 30_000 }).toBeLessThanOrEqual(before);
  expect(server.said()).not.toMatch(/internal error|\n {4}at /);
  const client = await logIn();
  await send(client, [Buffer.from([1, 0, 0, 0, 3])]);
  client.end();
};

it(`mutated sessions of real clients: no crash, leak or escape (SEED=${SEED})`, { timeout: 3_600_000 }, async () => {
  const random = createRandom(SEED);
  mkdirSync(`${folder}/recorded`);
  const sessions = await recordSessions(`${folder}/recorded`);
  expect(sessions.length).toBeGreaterThanOrEqual(6);
  fillRoot();
  await ask(status, '/metrics');
  const [before, secret] = [descriptors(), outside()];
  let [mutated, count] = [0, 0];
  while (mutated < PACKETS) {
    fillRoot();
    const client = await logIn();
    for (let turn = 0; turn < 20 && mutated < PACKETS; turn += 1) {
      const batch = Array.from({ length: AT_ONCE }, () => mutateSession(pick(sessions, random), sessions, random));
      await Promise.all(batch.map(({ packets }) => send(client, packets)));
      mutated += batch.reduce((sum, one) => sum + one.mutated, 0);
      count += batch.length;
    }
    client.end();
    expect(outside()).toBe(secret);
  }
  await expectNothingHeld(before);
  const peakMb = peakMbOf(server.pid);
  reportRow(
    `mutated packets of recorded sessions (SEED=${SEED})`,
    { packets: mutated, sessions: count, 'MB at most': peakMb },
    { crashes: 0, leaks: 0, escapes: 0 },
  );
  expect(peakMb).toBeLessThan(LIMIT_MB);
});

/** What ssh2 keeps to itself. */
interface Protocol {
  readonly _protocol: {
    readonly _packetRW: {
      readonly write: { readonly allocStart: number; alloc(length: number): Buffer; finalize(packet: Buffer): Buffer };
    };
    readonly _cipher: { encrypt(packet: Buffer): void };
  };
}
const hasProtocol = (client: unknown): client is Protocol =>
  typeof client === 'object' && client !== null && '_protocol' in client;

const text = (value: string): Buffer => {
  const bytes = Buffer.alloc(4 + Buffer.byteLength(value));
  bytes.writeUInt32BE(bytes.length - 4);
  bytes.write(value, 4);
  return bytes;
};
const message = (type: number, ...parts: (string | Buffer)[]): Buffer =>
  Buffer.concat([Buffer.from([type]), ...parts.map((part) => (typeof part === 'string' ? text(part) : part))]);
const numbers = (...values: number[]): Buffer =>
  Buffer.concat(values.map((value) => Buffer.from(Uint32Array.of(value).buffer).swap32()));

/** What a client may say before its login, encrypted: RFC 4252, 4254, 4250. */
const BEFORE: readonly Buffer[] = [
  message(5, 'ssh-userauth'),
  message(50, 'x', 'ssh-connection', 'none'),
  message(50, 'x', 'ssh-connection', 'password', Buffer.from([0]), 'secret'),
  message(50, 'x', 'ssh-connection', 'keyboard-interactive', '', ''),
  message(50, 'x', 'ssh-connection', 'hostbased', 'ssh-ed25519', text('k'), 'host', 'user', text('s')),
  message(
    50,
    'x',
    'ssh-connection',
    'publickey',
    Buffer.from([0]),
    'ssh-ed25519',
    Buffer.concat([numbers(51), text('ssh-ed25519'), numbers(32), Buffer.alloc(32, 5)]),
  ),
  message(
    50,
    'x',
    'ssh-connection',
    'publickey',
    Buffer.from([1]),
    'rsa-sha2-512',
    Buffer.concat([numbers(51), text('ssh-ed25519'), numbers(32), Buffer.alloc(32, 5)]),
    Buffer.concat([numbers(83), text('ssh-ed25519'), numbers(64), Buffer.alloc(64, 5)]),
  ),
  message(2, 'ignored'),
  message(3, numbers(7)),
  message(4, Buffer.from([1]), 'debug', ''),
  message(7, numbers(1), 'server-sig-algs', 'ssh-ed25519'),
  message(
    20,
    Buffer.alloc(16, 3),
    'curve25519-sha256',
    'ssh-ed25519',
    'aes128-ctr',
    'aes128-ctr',
    '',
    '',
    'none',
    'none',
    '',
    '',
    Buffer.from([0]),
    numbers(0),
  ),
  message(21),
  message(30, text('a'.repeat(32))),
  message(61, numbers(1), 'answer'),
  message(80, 'tcpip-forward', Buffer.from([1]), '', numbers(0)),
  message(90, 'session', numbers(0, 1 << 20, 1 << 15)),
  message(94, numbers(0), 'data'),
  message(98, numbers(0), 'subsystem', Buffer.from([1]), 'sftp'),
];

/** In the clear: what a client sends until the keys are there. */
const recordHandshake = async (): Promise<Buffer> => {
  const client = new ssh2.Client();
  client.on('error', () => undefined);
  const sent: Buffer[] = [];
  const sock = createConnection(server.port, '127.0.0.1');
  const write = sock.write.bind(sock);
  sock.write = (chunk: Buffer, ...rest: never[]) => {
    sent.push(Buffer.from(chunk));
    return write(chunk, ...rest);
  };
  const shaken = once(client, 'handshake');
  client.connect({ sock, username: 'x', password: 'x' });
  await shaken;
  const heard = Buffer.concat(sent);
  client.destroy();
  return heard;
};

/** Resolves once the connection is closed, by whomever. */
const sendRaw = async (bytes: Buffer): Promise<void> => {
  const socket = createConnection(server.port, '127.0.0.1');
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => undefined).resume();
  socket.end(bytes);
  await closed;
};

const sendEncrypted = async (payloads: readonly Buffer[]): Promise<void> => {
  const client = new ssh2.Client();
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
  client.on('error', () => undefined);
  client.once('handshake', () => {
    if (!hasProtocol(client)) throw new Error('ssh2 has no _protocol');
    const { _packetRW: packets, _cipher: cipher } = client._protocol;
    for (const payload of payloads) {
      const packet = packets.write.alloc(payload.length);
      packet.set(payload, packets.write.allocStart);
      cipher.encrypt(packets.write.finalize(packet));
    }
    client.end();
  });
  client.connect({
    host: '127.0.0.1',
    port: server.port,
    username: 'x',
    authHandler: () => false as never,
    readyTimeout: 0,
  });
  await closed;
};

it(
  `mutated packets before the login: no crash or leak, nobody gets in (SEED=${SEED})`,
  { timeout: 3_600_000 },
  async () => {
    const random = createRandom(SEED);
    fillRoot();
    await ask(status, '/metrics');
    const [before, handshake] = [descriptors(), await recordHandshake()];
    let [mutated, count] = [0, 0];
    while (mutated < BEFORE_LOGIN) {
      const batch = Array.from({ length: AT_ONCE }, () => {
        count += 1;
        if (random.below(4) === 0) {
          mutated += 1;
          return sendRaw(mutate(handshake, random));
        }
        const payloads = Array.from({ length: PER_CONNECTION }, () => mutate(pick(BEFORE, random), random));
        mutated += payloads.length;
        return sendEncrypted(payloads);
      });
      await Promise.all(batch);
    }
    const { counts } = JSON.parse((await ask(status, '/status.json')).text) as { counts: { logins: number } };
    expect(counts.logins).toBe(0);
    await expectNothingHeld(before);
    const peakMb = peakMbOf(server.pid);
    reportRow(
      `mutated packets before the login (SEED=${SEED})`,
      { packets: mutated, connections: count, 'MB at most': peakMb },
      { crashes: 0, leaks: 0, logins: 0 },
    );
    expect(peakMb).toBeLessThan(LIMIT_MB);
  },
);
