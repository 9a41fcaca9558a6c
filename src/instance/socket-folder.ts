import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { makeFolders } from '../host/make-folders.ts';

/** A socket that was bound, but not named yet, so long ago that its process has ended in between. */
const UNNAMED_MS = 60_000;
const UNNAMED = 'new-';

/** The lock sockets of a state folder. Its path may be longer than the 107 bytes of a socket's address. */
export interface SocketFolder extends Disposable {
  /** The address of a socket. */
  addressOf(name: string): string;
  /** Names of the sockets that were there. */
  names(): string[];
  /** Gives the socket at `unnamed(name)` its name. */
  publish(name: string): void;
  unnamed(name: string): string;
  remove(name: string): void;
}

const pathOf = (state: string): string => join(state, 'lock');

/**
 * @throws a system error where it is not there and was not to be made, or other users can get at it
 */
export const openSocketFolder = (state: string, { make }: { readonly make: boolean }): SocketFolder => {
  const path = pathOf(state);
  if (make) makeFolders(path, 0o700);
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  keepPrivate(descriptor, { state, path, make });
  const addressOf = (name: string): string => `/proc/self/fd/${descriptor}/${name}`;
  const remove = (name: string): void => rmSync(addressOf(name), { force: true });
  return {
    addressOf,
    remove,
    unnamed: (name) => addressOf(UNNAMED + name),
    publish: (name) => renameSync(addressOf(UNNAMED + name), addressOf(name)),
    names: () => {
      const names = readdirSync(addressOf(''));
      for (const name of names) if (make && name.startsWith(UNNAMED) && isOld(addressOf(name))) remove(name);
      return names.filter((name) => !name.startsWith(UNNAMED));
    },
    [Symbol.dispose]: () => closeSync(descriptor),
  };
};

/** Who can enter the folder can connect, and who can write it can answer in our place. */
const keepPrivate = (
  descriptor: number,
  { state, path, make }: { readonly state: string; readonly path: string; readonly make: boolean },
): void => {
  const { uid, mode } = fstatSync(descriptor);
  const isOurs = uid === (process.geteuid?.() ?? uid);
  if (make && isOurs && (mode & 0o077) !== 0) fchmodSync(descriptor, 0o700);
  else if (make ? !isOurs && uid !== 0 : (mode & 0o022) !== 0 || ![0, statSync(state).uid].includes(uid)) {
    closeSync(descriptor);
    throw Object.assign(new Error(`${path} is open to other users, or belongs to one`), { code: 'EPERM' });
  }
};

const isOld = (path: string): boolean => {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats !== undefined && Date.now() - stats.mtimeMs > UNNAMED_MS;
};
