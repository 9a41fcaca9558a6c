import { closeSync, constants, fstatSync, openSync, readFileSync, statSync } from 'node:fs';
import { plainMessage } from '../errors.ts';
import { parseAuthorizedKeys, type AuthorizedKeys } from './authorized-keys.ts';

/** Where the keys come from: a text that never changes, or a file that is read again when it did. */
export type KeysSource = string | { readonly file: string };

/** The keys that may log in now. */
export interface KeyRing {
  /** For a login: the file as it is now. Nobody gets in while it cannot be read. */
  readonly current: () => AuthorizedKeys;
  /** For those who are in: the keys of the last file that could be read. */
  readonly lastRead: () => AuthorizedKeys;
  /** Why the file cannot be read; "": it can. */
  readonly problem: () => string;
  /** Reads the file again, whatever its times say. */
  readonly reload: () => void;
}

const NOBODY = parseAuthorizedKeys('');

/**
 * @param onRead is called with what was read, each time that it was
 * @param onUnreadable is called once, until it can be read again
 */
export const openKeys = (
  source: KeysSource,
  onRead: (keys: AuthorizedKeys) => void,
  onUnreadable: (message: string) => void,
): KeyRing => {
  if (typeof source === 'string') {
    const keys = parseAuthorizedKeys(source);
    onRead(keys);
    return { current: () => keys, lastRead: () => keys, problem: () => '', reload: () => undefined };
  }
  let [stamp, problem, last, now] = ['', '', NOBODY, NOBODY];
  const read = (): void => {
    try {
      const found = stampOf(source.file);
      if (found === stamp) return;
      // The stamp is that from before: what is written meanwhile is read the next time.
      now = last = parseAuthorizedKeys(readKeysFile(source.file));
      [stamp, problem] = [found, ''];
      onRead(last);
    } catch (error) {
      const message = `Cannot read the authorized keys "${source.file}": ${plainMessage(error)}; nobody new gets in until they can be read. Who is in stays`;
      now = NOBODY;
      stamp = '';
      if (message !== problem) onUnreadable(message);
      problem = message;
    }
  };
  read();
  return {
    current: () => {
      read();
      return now;
    },
    lastRead: () => last,
    problem: () => problem,
    reload: () => {
      stamp = '';
      read();
    },
  };
};

/**
 * The text of a file of keys.
 * @throws the system's error, and an Error for what is no file: a pipe gives what it has once, and whoever opens one may wait for ever
 */
export const readKeysFile = (file: string): string => {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!fstatSync(fd).isFile()) throw new Error('it is not a regular file, which can be read again');
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
};

const stampOf = (file: string): string => {
  const { dev, ino, size, mtimeNs, ctimeNs } = statSync(file, { bigint: true });
  return [dev, ino, size, mtimeNs, ctimeNs].join(':');
};
