import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseSha256Sums } from '../../core/sha256sums.ts';
import { TransportError } from '../../errors.ts';
import { fsPath, type Name } from '../../name.ts';
import type { FetchedFile, IncomingFile, StoredEntry, Transport } from '../../transport.ts';

/** The sums of a directory's files, as its `SHA256SUMS` at the destination has them; undefined where it cannot be read as that. */
export const readManifest = async (
  transport: Transport,
  entry: StoredEntry,
  signal: AbortSignal,
): Promise<ReadonlyMap<Name, string> | undefined> => {
  const content = await readWhole(transport, entry, signal);
  return content === undefined ? undefined : parseSha256Sums(content);
};

const readWhole = async (
  transport: Transport,
  { path, size, mtimeSeconds }: StoredEntry,
  signal: AbortSignal,
): Promise<Buffer | undefined> => {
  const scratch = mkdtempSync(join(tmpdir(), 'isocket-'));
  let pieces: Buffer[] = [];
  let end: FetchedFile | TransportError | undefined;
  const file: IncomingFile = {
    targetPath: path,
    size,
    mtimeSeconds,
    get offset() {
      return pieces.reduce((sum, piece) => sum + piece.length, 0);
    },
    write: (piece) => void pieces.push(Buffer.from(piece)),
    take: (taken) => {
      pieces = [readFileSync(fsPath(taken))];
    },
  };
  const fetched = (_file: IncomingFile, now: FetchedFile | TransportError): void => {
    end = now;
  };
  try {
    await transport.fetch?.([file], { fetched, scratch }, signal);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  const content = Buffer.concat(pieces);
  const isWhole = end !== undefined && !(end instanceof TransportError) && end.size === content.length;
  return isWhole ? content : undefined;
};
