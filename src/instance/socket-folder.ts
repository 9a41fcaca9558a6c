import { closeSync, constants, lstatSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolders } from '../make-folders.ts';

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

/** @throws a system error where it is not there, and was not to be made */
export const openSocketFolder = (state: string, { make }: { readonly make: boolean }): SocketFolder => {
  const path = pathOf(state);
  if (make) makeFolders(path, 0o700);
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  const addressOf = (name: string): string => `/proc/self/fd/${descriptor}/${name}`;
  const remove = (name: string): void => rmSync(addressOf(name), { force: true });
  return {
    addressOf,
    remove,
    unnamed: (name) => addressOf(UNNAMED + name),
    publish: (name) => renameSync(addressOf(UNNAMED + name), addressOf(name)),
    names: () => {
      const names = readdirSync(path);
      for (const name of names) if (make && name.startsWith(UNNAMED) && isOld(addressOf(name))) remove(name);
      return names.filter((name) => !name.startsWith(UNNAMED));
    },
    [Symbol.dispose]: () => closeSync(descriptor),
  };
};

const isOld = (path: string): boolean => {
  const stats = lstatSync(path, { throwIfNoEntry: false });
  return stats !== undefined && Date.now() - stats.mtimeMs > UNNAMED_MS;
};
