import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import {
  fsPath,
  type FetchedFile,
  type IncomingFile,
  type Name,
  type StoredEntry,
  type Transport,
  type TransportError,
} from '../transport.ts';
import type { Scope } from './scope.ts';

export interface ReceivedFile extends IncomingFile {
  readonly content: () => Buffer;
}

/** The receiving side: keeps the content in memory. */
export const receive = ({ path, size, mtimeSeconds }: StoredEntry): ReceivedFile => {
  let pieces: Buffer[] = [];
  return {
    targetPath: path,
    size,
    mtimeSeconds,
    get offset() {
      return pieces.reduce((sum, piece) => sum + piece.length, 0);
    },
    write: (piece) => pieces.push(Buffer.from(piece)),
    take: (taken) => {
      pieces = [readFileSync(fsPath(taken))];
      rmSync(fsPath(taken));
    },
    content: () => Buffer.concat(pieces),
  };
};

/** Every file below DC1, to be fetched. */
export const all = async (scope: Scope): Promise<ReceivedFile[]> =>
  (await tree(scope, 'DC1')).filter(({ kind }) => kind === 'file').map((entry) => receive(entry));

export type Ends = Map<IncomingFile, FetchedFile | TransportError>;

/** Fetches, and resolves with what became of each file. */
export const fetch = async (
  scope: Scope,
  files: readonly IncomingFile[],
  signal = scope.signal,
  ends: Ends = new Map(),
): Promise<Ends> => {
  const scratch = `${scope.source}/scratch`;
  rmSync(scratch, { recursive: true, force: true });
  mkdirSync(scratch);
  const fetched = (file: IncomingFile, end: FetchedFile | TransportError): void => {
    assert.ok(!ends.has(file), `${file.targetPath} is told once`);
    ends.set(file, end);
  };
  await needed(scope.transport.fetch)(files, { fetched, scratch }, signal);
  assert.deepEqual(
    files.filter((file) => !ends.has(file)).map(({ targetPath }) => targetPath),
    [],
    'all are told',
  );
  return ends;
};

/** Sorted by path. */
export const tree = async (scope: Scope, folder: Name, deep = true, signal = scope.signal): Promise<StoredEntry[]> => {
  const entries: StoredEntry[] = [];
  await needed(scope.transport.listTree)(folder, { deep, visit: (entry) => entries.push(entry) }, signal);
  return entries.toSorted((a, b) => (a.path < b.path ? -1 : 1));
};

/** Sizes and times of what is no file are the file system's own. */
export const shown = (entries: readonly StoredEntry[]): (StoredEntry | string)[] =>
  entries.map((entry) => (entry.kind === 'file' ? entry : `${entry.path} ${entry.kind}`));

const needed = <T extends NonNullable<Transport['fetch' | 'listTree']>>(member: T | undefined): T => {
  if (member === undefined) throw new Error('the transport cannot bring files back');
  return member;
};

/** The same for one size, and different everywhere. */
export const contentOf = (size: number): Buffer => {
  const content = Buffer.alloc(size);
  for (let at = 0; at + 4 <= size; at += 4) content.writeUInt32LE((at * 2_654_435_761) >>> 0, at);
  return content;
};
