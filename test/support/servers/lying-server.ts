import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { silentLog } from '../../../src/receiver/client-log.ts';
import { unrestricted } from '../../../src/receiver/change-rules.ts';
import { openConfinedFolder } from '../../../src/receiver/confined-folder.ts';
import { createHandles } from '../../../src/receiver/handles.ts';
import { createRequestServer } from '../../../src/receiver/requests.ts';
import ssh2, { type ServerChannel } from 'ssh2';
import { createPacketSplitter, PacketReader } from '../../../src/sftp/packet-reader.ts';
import { PacketWriter } from '../../../src/sftp/packet-writer.ts';
import { OpenFlag, Packet, packetName, SFTP_VERSION, Status } from '../../../src/sftp/protocol.ts';
import type { TestServer } from '../server.ts';
import { describeServer, makeServerFiles } from './server-process.ts';

/** Both ends of a session between the client and OpenSSH's sftp-server, for packets without their length. */
export interface Wire {
  readonly toServer: (packet: Buffer) => void;
  readonly toClient: (packet: Buffer) => void;
  readonly hangUp: () => void;
}

/** What is done with each packet of one session. */
export interface Liar {
  readonly request?: (packet: Buffer) => void;
  readonly reply?: (packet: Buffer) => void;
}

export type Lie = (wire: Wire) => Liar;

export const packetOf = (write: (packet: PacketWriter) => unknown): Buffer => {
  const writer = new PacketWriter();
  write(writer);
  return Buffer.from(writer.take().subarray(4));
};

export const statusOf = (id: number, status: number, words = 'so says the liar'): Buffer =>
  packetOf((packet) => packet.begin(Packet.STATUS).u32(id).u32(status).bytes(words).bytes('').end());

export const idOf = (packet: Buffer): number => packet.readUInt32BE(1);

/** The VERSION packet without extensions. */
const bareVersion = packetOf((packet) => packet.begin(Packet.VERSION).u32(SFTP_VERSION).end());

/** Hides the extensions, so that nothing is known of the server. */
export const unknown =
  (lie: Lie): Lie =>
  (wire) => {
    const liar = lie(wire);
    return {
      ...liar,
      reply: (packet) => {
        if (packet[0] === Packet.VERSION) wire.toClient(bareVersion);
        else if (liar.reply === undefined) wire.toClient(packet);
        else liar.reply(packet);
      },
    };
  };

const handleOf = (packet: Buffer): Buffer => Buffer.from(new PacketReader(packet.subarray(5)).bytes());

/** As `SftpStatusError.request` has it. */
export const requestOf = (packet: Buffer): string => {
  const fields = new PacketReader(packet);
  const type = fields.u8();
  fields.u32();
  if (type === Packet.EXTENDED) return fields.text().replace(/@.*/, '');
  if (type !== Packet.OPEN) return packetName(type);
  fields.skip();
  return (fields.u32() & OpenFlag.WRITE) === 0 ? 'OPEN to read' : 'OPEN to write';
};

const WITH_NAME: ReadonlySet<number> = new Set([
  Packet.OPEN,
  Packet.OPENDIR,
  Packet.MKDIR,
  Packet.REMOVE,
  Packet.LSTAT,
  Packet.STAT,
  Packet.SETSTAT,
]);

/** The last parts of the paths in a request. */
export const namesOf = (packet: Buffer): string[] => {
  const fields = new PacketReader(packet);
  const type = fields.u8();
  fields.u32();
  const isExtended = type === Packet.EXTENDED;
  const isRename = type === Packet.RENAME || (isExtended && fields.text().startsWith('posix-rename'));
  if (!isRename && !WITH_NAME.has(type)) return [];
  const paths = isRename ? [fields.text(), fields.text()] : [fields.text()];
  return paths.map((path) => path.slice(path.lastIndexOf('/') + 1));
};

/** Refuses whatever is in `refused` at that moment, with this status. */
export const refuse =
  (refused: ReadonlyMap<string, number>): Lie =>
  ({ toServer, toClient }) => ({
    request: (packet) => {
      const status = refused.get(requestOf(packet));
      if (status === undefined) toServer(packet);
      else toClient(statusOf(idOf(packet), status));
    },
  });

/** Every lie that a server program was seen to tell, or could. */
export const lies: Readonly<Record<string, Lie>> = {
  'answers out of order': unknown(({ toClient }) => {
    const waiting: Buffer[] = [];
    return {
      reply: (packet) => {
        if (waiting.push(Buffer.from(packet)) > 1) return;
        setImmediate(() => {
          for (const one of waiting.splice(0).toReversed()) toClient(one);
        });
      },
    };
  }),
  'answers twice now and then': ({ toClient }) => {
    let replies = 0;
    return {
      reply: (packet) => {
        toClient(packet);
        if ((replies += 1) % 150 === 0) toClient(packet);
      },
    };
  },
  'answers late': ({ toClient }) => ({
    reply: (packet) => {
      const copy = Buffer.from(packet);
      setTimeout(() => toClient(copy), 5);
    },
  }),
  'takes and gives short packets only': unknown(({ toServer, toClient, hangUp }) => ({
    request: (packet) => (packet.length > 34_000 ? hangUp() : toServer(packet)),
    reply: (packet) => {
      if (packet[0] !== Packet.DATA) return toClient(packet);
      const data = handleOf(packet).subarray(0, 10_000);
      toClient(packetOf((short) => short.begin(Packet.DATA).u32(idOf(packet)).bytes(data).end()));
    },
  })),
  'gives a handle that is open already': unknown(({ toServer, toClient }) => {
    const open = new Set<string>();
    return {
      request: (packet) => {
        if (packet[0] === Packet.CLOSE) open.delete(handleOf(packet).toString('hex'));
        toServer(packet);
      },
      reply: (packet) => {
        if (packet[0] !== Packet.HANDLE) return toClient(packet);
        const [last] = [...open].slice(-1);
        open.add(handleOf(packet).toString('hex'));
        if (last === undefined) return toClient(packet);
        const again = Buffer.from(last, 'hex');
        toClient(packetOf((reply) => reply.begin(Packet.HANDLE).u32(idOf(packet)).bytes(again).end()));
      },
    };
  }),
  'says OK where a handle belongs, and "failure" where a file is not there': ({ toClient }) => {
    let handles = 0;
    return {
      reply: (packet) => {
        if (packet[0] === Packet.HANDLE && (handles += 1) % 20 === 0) toClient(statusOf(idOf(packet), Status.OK));
        else if (packet[0] === Packet.STATUS && packet.readUInt32BE(5) === Status.NO_SUCH_FILE)
          toClient(statusOf(idOf(packet), Status.FAILURE));
        else toClient(packet);
      },
    };
  },
  'hangs up when nothing is asked': ({ toServer, hangUp }) => {
    const timer = setTimeout(hangUp, 400);
    return {
      request: (packet) => {
        timer.refresh();
        toServer(packet);
      },
    };
  },
  'has no extension': unknown(() => ({})),
  'allows 16 handles and does not say so': unknown(({ toServer, toClient }) => {
    let open = 0;
    return {
      request: (packet) => {
        const opens = packet[0] === Packet.OPEN || packet[0] === Packet.OPENDIR;
        if (opens && open >= 16) return toClient(statusOf(idOf(packet), Status.FAILURE));
        if (packet[0] === Packet.CLOSE) open -= 1;
        toServer(packet);
      },
      reply: (packet) => {
        if (packet[0] === Packet.HANDLE) open += 1;
        toClient(packet);
      },
    };
  }),
  'truncates a file that is opened for writing': unknown(({ toServer }) => ({
    request: (packet) => {
      if (packet[0] === Packet.OPEN) {
        const at = 9 + packet.readUInt32BE(5);
        const flags = packet.readUInt32BE(at);
        if ((flags & OpenFlag.WRITE) !== 0) packet.writeUInt32BE(flags | OpenFlag.TRUNC | OpenFlag.CREAT, at);
      }
      toServer(packet);
    },
  })),
  'writes content after all else': unknown(({ toServer }) => ({
    request: (packet) => {
      if (packet[0] !== Packet.WRITE) return toServer(packet);
      const copy = Buffer.from(packet);
      setTimeout(() => toServer(copy), 5);
    },
  })),
};

/** What a session talks to: packets without their length. */
interface Upstream {
  readonly request: (packet: Buffer) => void;
  readonly kill: () => void;
}

type OpenUpstream = (reply: (packet: Buffer) => void, onEnd: () => void) => Upstream;

const framed = (packet: Buffer): Buffer => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(packet.length);
  return Buffer.concat([length, packet]);
};

const sftpServer: OpenUpstream = (reply, onEnd) => {
  const server = spawn('/usr/lib/openssh/sftp-server', { stdio: ['pipe', 'pipe', 'ignore'] });
  server.stdout.on('data', createPacketSplitter(reply));
  server.stdin.on('error', () => undefined);
  server.on('exit', onEnd);
  return {
    request: (packet) => server.stdin.writable && server.stdin.write(framed(packet)),
    kill: () => server.kill('SIGKILL'),
  };
};

/** Serves the folder as `isocket receive` does, in this process. */
const ownServer =
  (root: string): OpenUpstream =>
  (reply) => {
    const folder = openConfinedFolder(root);
    const handles = createHandles(1024);
    const writer = new PacketWriter();
    let isOver = false;
    const split = createPacketSplitter(reply);
    const flush = (): void => {
      const replies = Buffer.from(writer.take());
      if (!isOver && replies.length > 0) split(replies);
    };
    const aside = (work: Promise<void>): void => void work.then(flush);
    const serve = createRequestServer({
      folder,
      handles,
      rules: unrestricted,
      log: silentLog,
      reply: writer,
      aside,
      isOver: () => isOver,
    });
    let last = Promise.resolve();
    const serveOne = async (packet: Buffer): Promise<void> => {
      if (isOver) return;
      await serve(packet);
      flush();
    };
    return {
      request: (packet) => {
        const copy = Buffer.from(packet);
        last = last.then(() => serveOne(copy));
      },
      kill: () => {
        if (isOver) return;
        isOver = true;
        void last.then(() => {
          handles.closeAll();
          folder[Symbol.dispose]();
        });
      },
    };
  };

const serve = (channel: ServerChannel, lie: Lie, open: OpenUpstream): void => {
  const wire: Wire = {
    toServer: (packet) => server.request(packet),
    toClient: (packet) => channel.writable && channel.write(framed(packet)),
    hangUp: () => {
      server.kill();
      channel.end();
    },
  };
  const { request = wire.toServer, reply = wire.toClient } = lie(wire);
  channel.on(
    'data',
    createPacketSplitter((packet) => (packet[0] === Packet.INIT ? wire.toServer(packet) : request(packet))),
  );
  const server = open(reply, () => channel.end());
  channel.on('error', () => undefined);
  channel.on('close', () => server.kill());
};

/** OpenSSH's sftp-server, or our own receiver, behind a server of ours that lies about what it says. */
export const startLyingServer = async (
  folder: string,
  lie: Lie,
  { isOurs = false }: { readonly isOurs?: boolean } = {},
): Promise<TestServer> => {
  const made = await makeServerFiles(folder);
  const open = isOurs ? ownServer(made.destination) : sftpServer;
  const clients = new Set<ssh2.Connection>();
  const server = new ssh2.Server({ hostKeys: [readFileSync(made.hostKey)] }, (client) => {
    clients.add(client);
    client.on('error', () => undefined);
    client.on('close', () => clients.delete(client));
    client.on('authentication', (login) =>
      login.method === 'publickey' ? login.accept() : login.reject(['publickey']),
    );
    client.on('session', (accept) => {
      accept().on('subsystem', (acceptSubsystem) => serve(acceptSubsystem(), lie, open));
    });
  });
  // ssh2 sets no TCP_NODELAY: each reply would wait 40 ms for the one before to be acknowledged.
  const listener = createServer({ noDelay: true }, (socket) => server.injectSocket(socket));
  listener.listen(made.port, '127.0.0.1');
  await once(listener, 'listening');
  return describeServer(made, {
    ...(isOurs ? { path: '/' } : {}),
    dispose: async () => {
      for (const client of clients) client.end();
      const closed = once(listener, 'close');
      listener.close();
      await closed;
    },
  });
};
