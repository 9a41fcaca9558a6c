import type { Duplex } from 'node:stream';
import type { Name } from '../name.ts';
import { createBurst } from './burst.ts';
import { commitWith, sumWith, type CommittedFile, type ContentSum, type FileToCommit } from './commit.ts';
import { handleCommands, type HandleCommands } from './handle-commands.ts';
import { HandleOpener } from './handle-opener.ts';
import { OpenHandles, type HandleLimit } from './open-handles.ts';
import type { PacketReader } from './packet-reader.ts';
import { Extension, OpenFlag, Packet, type Attributes } from './protocol.ts';
import {
  ChannelClosedError,
  expectOk,
  readAttributes,
  readAttributesIfPresent,
  readDataOrEnd,
  readNamesOrEnd,
  readNumbers,
  readSpace,
  showData,
  type DirectoryEntry,
  type FileSystemSpace,
} from './replies.ts';
import type { ChannelWindow } from './receive-window.ts';
import { RequestChannel, type Encode } from './request-channel.ts';

export type { HandleCommands } from './handle-commands.ts';

export interface ServerLimits {
  /** Bytes of data in one WRITE. */
  readonly write: number;
  /** Handles open at once; 0: not known. */
  readonly handles: number;
}

/**
 * The client's side of one SFTP channel. Every request settles: with its reply (an `SftpStatusError` for a failure), or with a
 * `ChannelClosedError` when the channel closes.
 */
export interface SftpClient extends HandleCommands<Promise<void>> {
  /** Number of requests without a reply so far, with those that wait for a handle. */
  readonly pending: number;
  /** Number of replies so far. */
  readonly answered: number;
  /** Identifies the request that has waited longest; undefined: none waits. */
  readonly oldest: number | undefined;
  /** That is a request that may take minutes: CLOSE, fsync, a rename. */
  readonly isSlow: boolean;
  readonly closed: boolean;
  /** What the server says, and until then what every server of its kind takes. */
  readonly limits: ServerLimits;
  /** Milliseconds that the server took to tell its limits, a question that costs it nothing. undefined: it does not tell them. */
  readonly limitsTold: Promise<number> | undefined;
  /** How many handles may be open at once just now; Infinity: what `limits` says. */
  readonly handlesAtOnce: number;
  /** `listener` is called once, when the server or the connection closes the channel, with the handles that were open. */
  onClosed(listener: (openHandles: number) => void): void;
  /** One limit for all channels to a server, and for its next connection: for a server that does not say how many handles it allows. */
  shareHandleLimit(limit: HandleLimit): void;
  has(extension: string, version?: string): boolean;
  open(path: Name, flags: number, attributes: Attributes): Promise<Buffer>;
  /**
   * Commands on an open handle that are sent together. Resolves when all of them succeeded, rejects with the first failure once all
   * are answered. One promise for all: a promise for each command is a measurable part of what a small file costs.
   */
  burst(enqueue: (commands: HandleCommands<void>) => void): Promise<void>;
  /** Up to `length` bytes; undefined at the end of the file. */
  read(handle: Buffer, offset: number, length: number): Promise<Buffer | undefined>;
  /** The same without a copy: `use` gets the bytes, which are valid during that call only. Resolves with how many there were. */
  readWith(handle: Buffer, offset: number, length: number, use: (data: Buffer) => void): Promise<number>;
  fstat(handle: Buffer): Promise<Attributes>;
  /** Attributes, or undefined if the path does not exist. */
  lstat(path: Name): Promise<Attributes | undefined>;
  stat(path: Name): Promise<Attributes | undefined>;
  opendir(path: Name): Promise<Buffer>;
  /** The next entries, or undefined after the last. */
  readdir(handle: Buffer): Promise<DirectoryEntry[] | undefined>;
  mkdir(path: Name, attributes: Attributes): Promise<void>;
  setstat(path: Name, attributes: Attributes): Promise<void>;
  remove(path: Name): Promise<void>;
  rmdir(path: Name): Promise<void>;
  /** Fails if the target exists (version 3). */
  rename(from: Name, to: Name): Promise<void>;
  /** Replaces the target atomically. */
  posixRename(from: Name, to: Name): Promise<void>;
  realpath(path: Name): Promise<Name>;
  commit(file: FileToCommit): Promise<CommittedFile>;
  sha256(path: Name): Promise<ContentSum>;
  space(path: Name): Promise<FileSystemSpace>;
  /** For connections that are not low-latency: the server's replies never wait for a grant. */
  setWindowUnlimited(): void;
  /** Closes the channel; pending requests fail with a `ChannelClosedError` of this message. Harmless when repeated. */
  destroy(reason?: string): void;
}

/** OPEN is two requests: an account may have the right to one of them only. */
export const OPEN_TO_READ = 'OPEN to read';
export const OPEN_TO_WRITE = 'OPEN to write';

// Every server accepts this much: some corrupt files beyond it (rclone#6416, Netcatty#2022).
const SAFE_WRITE_BYTES = 32_000;
/** Handles on a server that tells its limits: those who do allow some hundreds. */
const SAFE_HANDLES = 128;

/**
 * Speaks SFTP version 3 over an open `sftp` subsystem channel.
 * @param channelWindow the channel's receive window, where isocket manages it
 */
export const openSftpClient = async (channel: Duplex, channelWindow?: ChannelWindow): Promise<SftpClient> => {
  const requests = await RequestChannel.open(channel, channelWindow);
  const limits = askLimits(requests);
  const handles = new OpenHandles(limits.told !== undefined);
  let isDestroyed = false;
  let onClosed: ((openHandles: number) => void) | undefined;
  requests.onClosed(() => {
    const { inUse } = handles;
    handles.end();
    if (!isDestroyed) onClosed?.(inUse);
  });
  limits.told?.then(() => handles.told(limits.now.handles)).catch(() => undefined);
  const opener = new HandleOpener(requests, handles);
  /** A request that the server answers with a status only. */
  const command = (type: number, encode: Encode, name?: string): Promise<void> =>
    requests.request(type, encode, expectOk, name);
  const single = handleCommands(command);
  const burst = createBurst(requests, handles);
  return {
    get pending() {
      return requests.pending + handles.waiting;
    },
    get answered() {
      return requests.answered;
    },
    get oldest() {
      return requests.oldest;
    },
    get isSlow() {
      return requests.isSlow;
    },
    get closed() {
      return requests.closed;
    },
    get limits() {
      return limits.now;
    },
    limitsTold: limits.told,
    get handlesAtOnce() {
      return handles.most;
    },
    onClosed: (listener) => {
      onClosed = listener;
    },
    shareHandleLimit: (limit) => {
      handles.limit = limit;
    },
    has: (extension, version) => requests.has(extension, version),
    open: (path, flags, attributes) =>
      opener.open(
        Packet.OPEN,
        (packet) => packet.name(path).u32(flags).attributes(attributes),
        (flags & OpenFlag.WRITE) === 0 ? OPEN_TO_READ : OPEN_TO_WRITE,
        // Only temporary names of ours are opened so.
        (flags & OpenFlag.EXCL) === 0 ? undefined : () => command(Packet.REMOVE, (packet) => packet.name(path)),
      ),
    ...single,
    // Noted as the reply is read, not a promise later: the next reply may give the same handle to another file.
    close: (handle) =>
      requests.request(
        Packet.CLOSE,
        (packet) => packet.bytes(handle),
        (reply) => {
          handles.closed(handle);
          expectOk(reply);
        },
      ),
    burst,
    ...contentRequests(requests),
    fstat: (handle) => requests.request(Packet.FSTAT, (packet) => packet.bytes(handle), readAttributes),
    opendir: (path) => opener.open(Packet.OPENDIR, (packet) => packet.name(path)),
    readdir: (handle) => requests.request(Packet.READDIR, (packet) => packet.bytes(handle), readNamesOrEnd),
    ...pathRequests(requests, command),
    setWindowUnlimited: () => requests.setWindowUnlimited(),
    destroy: (reason = 'isocket closed the SFTP channel') => {
      isDestroyed = true;
      requests.close(new ChannelClosedError(reason));
    },
  };
};

const contentRequests = (requests: RequestChannel): Pick<SftpClient, 'read' | 'readWith' | 'commit' | 'sha256'> => {
  const read = <T>(handle: Buffer, offset: number, length: number, decode: (reply: PacketReader) => T): Promise<T> => {
    requests.expectReply(length);
    return requests.request(Packet.READ, (packet) => packet.bytes(handle).u64(offset).u32(length), decode);
  };
  return {
    commit: commitWith(requests),
    sha256: sumWith(requests),
    read: (handle, offset, length) => read(handle, offset, length, readDataOrEnd),
    readWith: (handle, offset, length, use) => read(handle, offset, length, (reply) => showData(reply, use)),
  };
};

/** Requests that name what they concern. */
const pathRequests = (
  requests: RequestChannel,
  command: (type: number, encode: Encode, name?: string) => Promise<void>,
): Pick<
  SftpClient,
  'lstat' | 'stat' | 'mkdir' | 'setstat' | 'remove' | 'rmdir' | 'rename' | 'posixRename' | 'realpath' | 'space'
> => ({
  lstat: (path) => requests.request(Packet.LSTAT, (packet) => packet.name(path), readAttributesIfPresent),
  stat: (path) => requests.request(Packet.STAT, (packet) => packet.name(path), readAttributesIfPresent),
  mkdir: (path, attributes) => command(Packet.MKDIR, (packet) => packet.name(path).attributes(attributes)),
  setstat: (path, attributes) => command(Packet.SETSTAT, (packet) => packet.name(path).attributes(attributes)),
  remove: (path) => command(Packet.REMOVE, (packet) => packet.name(path)),
  rmdir: (path) => command(Packet.RMDIR, (packet) => packet.name(path)),
  rename: (from, to) => command(Packet.RENAME, (packet) => packet.name(from).name(to)),
  posixRename: (from, to) =>
    command(Packet.EXTENDED, (packet) => packet.bytes(Extension.POSIX_RENAME).name(from).name(to), 'posix-rename'),
  realpath: async (path) => {
    const entries = await requests.request(Packet.REALPATH, (packet) => packet.name(path), readNamesOrEnd);
    return entries?.[0]?.name ?? path;
  },
  space: (path) =>
    requests.request(Packet.EXTENDED, (packet) => packet.bytes(Extension.STATVFS).name(path), readSpace, 'statvfs'),
});

/** What is known of the limits now, and when the server has told them. */
interface AskedLimits {
  now: ServerLimits;
  readonly told: Promise<number> | undefined;
}

const askLimits = (requests: RequestChannel): AskedLimits => {
  if (!requests.has(Extension.LIMITS)) return { now: { write: SAFE_WRITE_BYTES, handles: 0 }, told: undefined };
  const started = performance.now();
  const answer = requests.request(
    Packet.EXTENDED,
    (packet) => packet.bytes(Extension.LIMITS),
    (reply) => readNumbers(reply, 4),
  );
  const told = answer.then(([, , write = 0, handles = 0]) => {
    asked.now = { write: write > 0 ? write : SAFE_WRITE_BYTES, handles };
    return performance.now() - started;
  });
  told.catch(() => undefined); // Reported where it is awaited; a channel that closes is reported by its other requests.
  const asked: AskedLimits = { now: { write: SAFE_WRITE_BYTES, handles: SAFE_HANDLES }, told };
  return asked;
};
