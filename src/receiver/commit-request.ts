import type { PacketReader } from '../sftp/packet-reader.ts';
import { CommitFlag, CommitKind, Status, TEMPORARY_NAME } from '../sftp/protocol.ts';
import { parseClientPath } from './client-path.ts';
import { RefusedError } from './refused-error.ts';

/** What `commit@isocket` asks for: docs/commit-extension.md. */
export interface CommitRequest {
  /** In the folder of `path`. */
  readonly temporary: Buffer;
  readonly path: Buffer;
  readonly folder: Buffer;
  /** Content, times and name are on stable storage before the reply. */
  readonly isDurable: boolean;
  readonly permissions: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  readonly size: number;
  readonly sha256: Buffer;
  /** Valid as long as the packet. undefined: it is in the temporary file. */
  readonly content: Buffer | undefined;
}

const SLASH = 0x2f;
const SHA256_BYTES = 32;
const NS_PER_S = 1_000_000_000;

/**
 * All but `content` is copied from the packet.
 * @throws RefusedError for what cannot be meant, MalformedPacketError
 */
export const readCommit = (request: PacketReader): CommitRequest => {
  const kind = request.u8();
  const flags = request.u32();
  const name = request.bytes();
  const path = Buffer.from(request.bytes());
  const permissions = request.u32() & 0o777;
  const mtime = secondsOf(request.u32(), request.u32());
  const size = request.u64();
  const sha256 = Buffer.from(request.bytes());
  if (kind !== CommitKind.CONTENT && kind !== CommitKind.WRITTEN) throw refused(`unknown kind ${kind}`);
  if ((flags & ~CommitFlag.DURABLE) !== 0) throw refused(`unknown flags ${flags}`);
  if (sha256.length !== SHA256_BYTES) throw refused(`a SHA-256 of ${sha256.length} bytes`);
  const content = kind === CommitKind.CONTENT ? request.bytes() : undefined;
  const folder = path.subarray(0, path.lastIndexOf(SLASH) + 1);
  const temporary = Buffer.concat([folder, name]);
  // The folder of both is one only where the path ends with a name.
  if (name.includes(SLASH) || !TEMPORARY_NAME.test(name.toString('latin1'))) throw refused('not a temporary name');
  if (!endsWithName(path)) throw refused('the path does not end with the name of a file');
  const isDurable = (flags & CommitFlag.DURABLE) !== 0;
  return { temporary, path, folder, isDurable, permissions, mtime, size, sha256, content };
};

/**
 * As fractions, which is how Node takes times: nearly a microsecond is kept. Cut off, never rounded up: the second is what SFTP shows.
 */
const secondsOf = (seconds: number, nanoseconds: number): number => {
  if (nanoseconds >= NS_PER_S) throw refused(`${nanoseconds} nanoseconds`);
  return seconds + Math.floor(nanoseconds / 1000) / 1_000_000;
};

const endsWithName = (path: Buffer): boolean => {
  const last = path.subarray(path.lastIndexOf(SLASH) + 1).toString('latin1');
  return last !== '' && last !== '.' && last !== '..' && parseClientPath(path).length > 0;
};

const refused = (what: string): RefusedError => new RefusedError(Status.BAD_MESSAGE, `commit: ${what}`);
