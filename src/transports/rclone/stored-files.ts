import { randomUUID } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { explain, isMissing } from './failures.ts';
import { fromRemotePath, toRemotePath } from './names.ts';
import { RcError, type RcAnswer } from './rc-client.ts';
import { DESTINATION } from './rclone-process.ts';
import type { Session } from './session.ts';
import { TransportError, type Name, type StoredEntry } from '../../transport.ts';

/** A file as rclone tells of it. */
export interface StoredFile {
  readonly size: number;
  /** Since 1970. */
  readonly mtimeSeconds: number;
  /** By the name of their kind; empty where the store has none of this file. */
  readonly hashes: Readonly<Record<string, unknown>>;
}

interface StatOptions {
  readonly fs: string;
  /** As rclone takes it. */
  readonly remote: string;
  /** The kind of sum to ask for as well. */
  readonly hash?: string | undefined;
}

const hashOption = (hash: string | undefined): object => (hash === undefined ? {} : { showHash: true, hashTypes: [hash] }); // prettier-ignore

/** Fewer are asked for one by one. */
const FEW = 8;

/** undefined: it is not there, or no file. Rejects as `RcClient.call` does. */
export const statFile = async (
  session: Session,
  { fs, remote, hash }: StatOptions,
  signal?: AbortSignal,
): Promise<StoredFile | undefined> => {
  const opt = { filesOnly: true, noMimeType: true, ...hashOption(hash) };
  try {
    if (!session.program.canStat) return await findListed(session, { fs, remote, opt }, signal);
    const { item } = await session.call('operations/stat', { fs, remote, opt }, signal);
    return item === null ? undefined : toFile(item);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
};

/** The same by a listing of its folder: all that rclone before 1.57 can. */
export const findListed = async (
  session: Session,
  { fs, remote, opt }: { readonly fs: string; readonly remote: string; readonly opt: object },
  signal?: AbortSignal,
): Promise<StoredFile | undefined> => {
  const folder = remote.slice(0, Math.max(0, remote.lastIndexOf('/')));
  const found = (await list(session, { fs, remote: folder, opt }, signal)).find(({ Path }) => Path === remote);
  return found === undefined ? undefined : toFile(found);
};

/** What is at a path below the destination's. @throws TransportError */
export const statStored = async (
  session: Session,
  path: Name,
  { hash }: Pick<StatOptions, 'hash'>,
  signal?: AbortSignal,
): Promise<StoredFile | undefined> => {
  try {
    return await statFile(session, { fs: DESTINATION, remote: toRemotePath(path), hash }, signal);
  } catch (error) {
    throw explain(`look at files of ${session.shared.label}`, error);
  }
};

/**
 * Those of many files that are there, in one call: rclone asks for several at once by itself. It reads their names from a file. Before 1.57 it
 * would list everything, and each is asked for by itself.
 */
export const statMany = async (
  session: Session,
  paths: readonly Name[],
  { hash }: Pick<StatOptions, 'hash'>,
  signal: AbortSignal,
): Promise<ReadonlyMap<Name, StoredFile>> => {
  if (paths.length < FEW || !session.program.canStat) return new Map();
  const names = join(session.stagingFolder, `names-${randomUUID()}`);
  writeFileSync(names, paths.map((path) => `${toRemotePath(path)}\n`).join(''), { mode: 0o600 });
  try {
    const opt = { recurse: true, filesOnly: true, noMimeType: true, ...hashOption(hash) };
    const input = { fs: DESTINATION, remote: '', opt, _filter: { FilesFromRaw: [names] } };
    const found = await list(session, input, signal);
    return new Map(found.map((item) => [fromRemotePath(String(item.Path)), toFile(item)]));
  } catch (error) {
    if (error instanceof RcError) return new Map(); // Each of them says what is wrong with it.
    throw explain(`look at files of ${session.shared.label}`, error);
  } finally {
    rmSync(names, { force: true });
  }
};

export interface ListOptions {
  readonly deep: boolean;
  /** Do without times, where each costs a request. */
  readonly noTimes?: boolean;
}

/** All that is below a folder. A folder that is not there has no entries. @throws TransportError */
export const listStored = async (
  session: Session,
  folder: Name,
  { deep, noTimes = false }: ListOptions,
  signal: AbortSignal,
): Promise<StoredEntry[]> => {
  if (!folder.isWellFormed()) return []; // rclone has no names that are not UTF-8.
  const opt = { recurse: deep, noModTime: noTimes, noMimeType: true };
  try {
    const found = await list(session, { fs: DESTINATION, remote: toRemotePath(folder), opt }, signal);
    return found.map(toEntry);
  } catch (error) {
    if (isMissing(error)) return [];
    throw explain(`list files of ${session.shared.label}`, error);
  }
};

/** The store's sums of the files in one folder, without their times. @throws TransportError */
export const listSums = async (
  session: Session,
  folder: Name,
  hash: string,
  signal: AbortSignal,
): Promise<ReadonlyMap<Name, unknown>> => {
  const opt = { filesOnly: true, noModTime: true, noMimeType: true, ...hashOption(hash) };
  try {
    const found = await list(session, { fs: DESTINATION, remote: toRemotePath(folder), opt }, signal);
    return new Map(found.map((item) => [fromRemotePath(String(item.Path)), toFile(item).hashes[hash]]));
  } catch (error) {
    if (isMissing(error)) return new Map();
    throw explain(`list files of ${session.shared.label}`, error);
  }
};

const list = async (session: Session, input: object, signal?: AbortSignal): Promise<RcAnswer[]> => {
  const answer = await session.call('operations/list', input, signal);
  if (!Array.isArray(answer.list)) throw new TransportError('network', 'rclone lists no list');
  return answer.list as RcAnswer[];
};

const toFile = (item: unknown): StoredFile => {
  const { Size, ModTime, Hashes } = item as RcAnswer;
  return {
    size: Number(Size),
    mtimeSeconds: secondsOf(ModTime),
    hashes: typeof Hashes === 'object' && Hashes !== null ? { ...Hashes } : {},
  };
};

const toEntry = ({ Path, Size, ModTime, IsDir }: RcAnswer): StoredEntry => ({
  path: fromRemotePath(String(Path)),
  kind: IsDir === true ? 'folder' : 'file',
  size: Math.max(0, Number(Size)),
  mtimeSeconds: secondsOf(ModTime),
});

const secondsOf = (time: unknown): number => {
  const ms = typeof time === 'string' ? Date.parse(time) : NaN;
  return Number.isNaN(ms) ? 0 : Math.floor(ms / 1000);
};
