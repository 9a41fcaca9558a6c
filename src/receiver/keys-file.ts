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
  /** Why nobody new gets in; "": somebody can. */
  readonly problem: () => string;
  /** Reads the file again, whatever its times say, and tells of a problem once more. */
  readonly reload: () => void;
}

const NOBODY = parseAuthorizedKeys('');

/**
 * @param onRead is called with what was read, each time that it was
 * @param onProblem is called with why nobody new gets in, once; and with "" when that is over
 */
export const openKeys = (
  source: KeysSource,
  onRead: (keys: AuthorizedKeys) => void,
  onProblem: (problem: string) => void,
): KeyRing => {
  if (typeof source === 'string') {
    const keys = parseAuthorizedKeys(source);
    onRead(keys);
    return { current: () => keys, lastRead: () => keys, problem: () => '', reload: () => undefined };
  }
  let [stamp, problem, last, now] = ['', '', NOBODY, NOBODY];
  const tell = (found: string): void => {
    if (found === problem) return;
    problem = found;
    onProblem(found);
  };
  const read = (): void => {
    try {
      const found = stampOf(source.file);
      if (found === stamp) return;
      // The stamp is that from before: what is written meanwhile is read the next time.
      now = last = parseKeysFile(source.file);
      stamp = found;
      onRead(last);
      tell(last.size > 0 ? '' : noKeyIn(source.file));
    } catch (error) {
      now = NOBODY;
      stamp = '';
      tell(
        `Cannot read the authorized keys "${source.file}": ${plainMessage(error)}; nobody new gets in until they can be read. Who is in stays`,
      );
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
      const before = problem;
      stamp = '';
      read();
      if (problem !== '' && problem === before) onProblem(problem);
    },
  };
};

const noKeyIn = (file: string): string =>
  `No key in the authorized keys "${file}" is accepted; nobody gets in until one is: put it back, or correct its line`;

const OTHERS_WRITE = 0o022;

/**
 * The keys in a file; a file that others may write is told with its warnings: who writes it lets himself in.
 * @throws as `readKeysFile`
 */
export const parseKeysFile = (file: string): AuthorizedKeys => {
  const keys = parseAuthorizedKeys(readKeysFile(file));
  const { mode } = statSync(file);
  if ((mode & OTHERS_WRITE) === 0) return keys;
  const bits = (mode & 0o777).toString(8).padStart(4, '0');
  const warning = `the authorized keys "${file}" can be written by other users (mode ${bits}), who could let themselves in; take that away: chmod go-w "${file}"`;
  return { ...keys, warnings: [...keys.warnings, warning] };
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
