import type { Socket } from 'node:net';
import type { ServerChannel } from 'ssh2';
import { errorMessage } from '../errors.ts';
import { MalformedPacketError, createPacketSplitter } from '../sftp/packet-reader.ts';
import { PacketWriter } from '../sftp/packet-writer.ts';
import type { ChangeRules } from './change-rules.ts';
import type { ConfinedFolder } from './confined-folder.ts';
import { createHandles } from './handles.ts';
import { createRequestServer, MAX_HANDLES } from './requests.ts';

/** Encoded replies are written at the latest when they reach this size. */
const FLUSH_BYTES = 256 * 1024;
/** Unsent bytes in the socket above which the session waits for its drain: enough for any connection, and bounds its memory. */
const MAX_UNSENT_BYTES = 4 * 1024 * 1024;

export interface SftpSession {
  /** Ends without serving the queued requests. The request in progress is finished. */
  readonly end: () => void;
  /** Resolves when the session has closed all its files. */
  readonly closed: Promise<void>;
}

/**
 * Serves SFTP on a channel: one request after the other, replies in the same order, those to one piece of input in one write.
 * While a request waits (fsync), or the client does not read its replies, input is paused: the SSH window then fills and the
 * client waits.
 *
 * @param socket of the connection. ssh2 writes to it without regard to back-pressure, so its buffer is checked here.
 */
export const serveSftp = (
  channel: ServerChannel,
  socket: Socket,
  folder: ConfinedFolder,
  rules: ChangeRules,
  warn: (message: string) => void,
): SftpSession => {
  const handles = createHandles(MAX_HANDLES);
  const reply = new PacketWriter();
  const serve = createRequestServer({ folder, handles, rules, reply });
  const waiting: Buffer[] = [];
  let serving = false;
  let stalled = false;
  let settling = false;
  let inputEnded = false;
  let ended = false;
  const { promise: closed, resolve: resolveClosed } = Promise.withResolvers<undefined>();

  const mustWait = (): boolean => serving || stalled || ended;

  const accept = (packet: Buffer): void => {
    // Copied: the packet is a view into the splitter's buffer.
    if (mustWait() || waiting.length > 0) waiting.push(Buffer.from(packet));
    else run(packet);
  };

  const run = (packet: Buffer): void => {
    const later = serve(packet);
    if (reply.length >= FLUSH_BYTES) flush();
    if (!later) return;
    serving = true;
    void later.then(() => {
      serving = false;
      if (ended) release();
      else proceed();
    });
  };

  const flush = (): void => {
    if (reply.length === 0 || ended) return;
    if (!channel.write(reply.take())) stallUntilDrained(channel);
    else if (socket.writableLength > MAX_UNSENT_BYTES) stallUntilDrained(socket);
  };

  const stallUntilDrained = (stream: ServerChannel | Socket): void => {
    stalled = true;
    stream.once('drain', () => {
      stalled = false;
      proceed();
    });
  };

  const proceed = (): void =>
    guarded(() => {
      for (let at = 0; ; at += 1) {
        const packet = mustWait() ? undefined : waiting[at];
        if (!packet) {
          waiting.splice(0, at);
          break;
        }
        run(packet);
      }
      afterWork();
    });

  const afterWork = (): void => {
    flush();
    if (ended) return;
    if (mustWait()) channel.pause();
    else if (inputEnded && waiting.length === 0) finish(0);
    else channel.resume();
  };

  /** Runs once for all SSH packets of one socket read, so that their replies share a packet, too. */
  const settleSoon = (): void => {
    if (settling) return;
    settling = true;
    process.nextTick(() => {
      settling = false;
      guarded(afterWork);
    });
  };

  const guarded = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      const what = error instanceof MalformedPacketError ? 'malformed SFTP packet' : 'internal error';
      warn(`closed a session: ${what}: ${errorMessage(error)}`);
      flush();
      finish(1);
    }
  };

  /** As OpenSSH's sftp-server: an exit status, then the end of the channel. */
  const finish = (status: number): void => {
    if (ended) return;
    channel.exit(status);
    channel.end();
    end();
  };

  const end = (): void => {
    if (ended) return;
    ended = true;
    waiting.length = 0;
    // Discards the remaining input; with unread input ssh2 would never close the channel.
    channel.resume();
    if (!serving) release();
  };

  /** Not while fsync runs: its descriptor number could be reused for another file meanwhile. */
  const release = (): void => {
    handles.closeAll();
    folder[Symbol.dispose]();
    resolveClosed(undefined);
  };

  const split = createPacketSplitter(accept);
  channel.on('data', (chunk: Buffer) => {
    if (ended) return;
    guarded(() => {
      split(chunk);
      if (mustWait()) channel.pause();
      settleSoon();
    });
  });
  channel.on('end', () => {
    inputEnded = true;
    settleSoon();
  });
  channel.on('error', (error: Error) => {
    warn(`a session failed: ${error.message}`);
    end();
  });
  channel.on('close', end);

  return { end, closed };
};
