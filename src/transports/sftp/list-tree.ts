import type { Attributes } from '../../sftp/protocol.ts';
import type { DirectoryEntry } from '../../sftp/replies.ts';
import { TransportError, type Name, type StoredEntry } from '../../transport.ts';
import { isFolderMode } from './folders.ts';
import { endsAtListing, listEntries } from './list-folder.ts';
import type { Session } from './session.ts';

const S_IFMT = 0o170000;
const S_IFREG = 0o100000;
const FOLDERS_AT_ONCE = 8;

export interface ListTreeOptions {
  readonly deep: boolean;
  readonly visit: (entry: StoredEntry) => void;
}

/** `Transport.listTree`: folder by folder, those of one level side by side. What the server refuses to list is an error. */
export const listTree = async (
  session: Session,
  folder: Name,
  { deep, visit }: ListTreeOptions,
  signal: AbortSignal,
): Promise<void> => {
  let level: readonly Name[] = [folder];
  while (level.length > 0) {
    const below: Name[] = [];
    let next = 0;
    const work = async (): Promise<void> => {
      for (let one = level[next++]; one !== undefined; one = level[next++])
        below.push(...(await listOne(session, one, visit, signal)));
    };
    const left = level.length;
    await Promise.all(Array.from({ length: Math.min(FOLDERS_AT_ONCE, left) }, work));
    level = deep ? below : [];
  }
};

/** Resolves with the folders in it. */
const listOne = async (
  session: Session,
  folder: Name,
  visit: ListTreeOptions['visit'],
  signal: AbortSignal,
): Promise<Name[]> => {
  const { channels, options, habits, label } = session;
  const at = `${options.path}/${folder}`;
  if (habits.listings.isGivenUp(at))
    throw new TransportError('file', `Cannot list a folder at ${label}: ${endsAtListing(at)}`, {
      hint: 'rename what is in it there, or use another server program',
    });
  const folders: Name[] = [];
  for await (const entries of listEntries(channels.leastBusy(), at, channels.isFar)) {
    for (const entry of entries) {
      signal.throwIfAborted();
      const { name } = entry;
      if (name === '.' || name === '..') continue;
      const attributes = await whole(session, `${at}/${name}`, entry);
      if (attributes === undefined) continue;
      const path = folder === '' ? name : `${folder}/${name}`;
      const kind = kindOf(attributes.permissions);
      if (kind === 'folder') folders.push(path);
      visit({ path, kind, size: attributes.size ?? 0, mtimeSeconds: attributes.mtime ?? 0 });
    }
  }
  return folders;
};

/** Some servers list names alone, and some a link as what it leads to: then each is looked at. undefined: it is gone. */
const whole = (
  { channels }: Session,
  path: Name,
  { attributes }: DirectoryEntry,
): Attributes | Promise<Attributes | undefined> => {
  const { size, permissions, mtime } = attributes;
  const isTold = permissions !== undefined && (permissions & S_IFMT) !== 0 && mtime !== undefined && size !== undefined;
  return isTold ? attributes : channels.leastBusy().lstat(path);
};

const kindOf = (permissions = 0): StoredEntry['kind'] => {
  if (isFolderMode(permissions)) return 'folder';
  return (permissions & S_IFMT) === S_IFREG ? 'file' : 'other';
};
