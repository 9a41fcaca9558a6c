import { decodeName, type Name } from '../name.ts';
import type { PacketReader } from './packet-reader.ts';
import { Packet, SFTP_VERSION, Status, type Attributes } from './protocol.ts';

/** The server answered a request with a status other than OK. */
export class SftpStatusError extends Error {
  override readonly name = 'SftpStatusError';
  readonly status: number;
  /** What was refused, as the protocol calls it: "MKDIR", "OPEN to read". undefined: one of several requests that were sent together. */
  request: string | undefined;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The channel is closed; whether the server executed the request is unknown. */
export class ChannelClosedError extends Error {
  override readonly name = 'ChannelClosedError';
}

export interface DirectoryEntry {
  readonly name: Name;
  readonly attributes: Attributes;
}

/**
 * Reads the packet's type and id.
 * @param absent the status that means "no result" and is not an error
 * @returns false for the status `absent`
 * @throws SftpStatusError for any other status where another type was expected
 */
const expect = (reply: PacketReader, type: number, absent?: number): boolean => {
  const actual = reply.u8();
  reply.u32();
  if (actual === type) return true;
  if (actual !== Packet.STATUS)
    throw new ChannelClosedError(`the server answered with packet type ${actual}, not ${type}`);
  const status = reply.u32();
  if (status === absent) return false;
  throw statusError(status, reply);
};

/**
 * The extensions in the server's VERSION packet, by name, with their version.
 * @throws ChannelClosedError if the server's protocol is older than ours
 */
export const readExtensions = (reply: PacketReader): ReadonlyMap<string, string> => {
  reply.u8();
  const version = reply.u32();
  if (version < SFTP_VERSION) throw new ChannelClosedError(`the server speaks SFTP version ${version} only`);
  const extensions = new Map<string, string>();
  while (reply.remaining > 0) extensions.set(reply.text(), reply.text());
  return extensions;
};

export const expectOk = (reply: PacketReader): void => {
  expect(reply, Packet.STATUS);
  const status = reply.u32();
  if (status !== Status.OK) throw statusError(status, reply);
};

// Copied: the packet's bytes are valid only while the reply is read.
export const readHandle = (reply: PacketReader): Buffer => {
  expect(reply, Packet.HANDLE);
  return Buffer.from(reply.bytes());
};

/** undefined at the end of the file. */
export const readDataOrEnd = (reply: PacketReader): Buffer | undefined =>
  expect(reply, Packet.DATA, Status.EOF) ? Buffer.from(reply.bytes()) : undefined;

/** The same, shown to `use` as it is read: it is valid during that call only. Returns its length; 0 at the end of the file. */
export const showData = (reply: PacketReader, use: (data: Buffer) => void): number => {
  if (!expect(reply, Packet.DATA, Status.EOF)) return 0;
  const data = reply.bytes();
  if (data.length > 0) use(data);
  return data.length;
};

export const readAttributes = (reply: PacketReader): Attributes => {
  expect(reply, Packet.ATTRS);
  return reply.attributes();
};

/** undefined if the path does not exist. */
export const readAttributesIfPresent = (reply: PacketReader): Attributes | undefined =>
  expect(reply, Packet.ATTRS, Status.NO_SUCH_FILE) ? reply.attributes() : undefined;

/** undefined after the last name. */
export const readNamesOrEnd = (reply: PacketReader): DirectoryEntry[] | undefined => {
  if (!expect(reply, Packet.NAME, Status.EOF)) return undefined;
  const entries: DirectoryEntry[] = [];
  for (let left = reply.u32(); left > 0; left -= 1) {
    const name = decodeName(reply.bytes());
    reply.skip(); // The "ls -l" line, meant for people.
    entries.push({ name, attributes: reply.attributes() });
  }
  return entries;
};

export const expectExtendedReply = (reply: PacketReader): void => {
  expect(reply, Packet.EXTENDED_REPLY);
};

export const readNumbers = (reply: PacketReader, count: number): number[] => {
  expectExtendedReply(reply);
  return Array.from({ length: count }, () => reply.u64());
};

export interface FileSystemSpace {
  /** Bytes that an ordinary user may still write; Infinity: the file system does not tell how large it is. */
  readonly free: number;
  /** Inodes left; 0 where they are not counted and where they are used up. */
  readonly freeInodes: number;
  readonly inodes: number;
  readonly isReadOnly: boolean;
}

/** OpenSSH's PROTOCOL, section 4.4: SSH2_FXE_STATVFS_ST_RDONLY. */
const READ_ONLY_FLAG = 1;

/** The reply to statvfs@openssh.com. */
export const readSpace = (reply: PacketReader): FileSystemSpace => {
  const [, fragment = 0, blocks = 0, , available = 0, inodes = 0, freeInodes = 0] = readNumbers(reply, 7);
  const space = { free: blocks === 0 ? Infinity : fragment * available, freeInodes, inodes };
  if (reply.remaining < 32) return { ...space, isReadOnly: false };
  // f_favail and f_fsid, which may be any 64 bits, and the upper half of f_flag.
  for (let word = 0; word < 5; word += 1) reply.u32();
  return { ...space, isReadOnly: (reply.u32() & READ_ONLY_FLAG) !== 0 };
};

const statusError = (status: number, reply: PacketReader): SftpStatusError =>
  new SftpStatusError(status, (reply.remaining >= 4 && reply.text()) || `status ${status}`);
