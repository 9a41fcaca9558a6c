import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeFolders } from '../../host/make-folders.ts';
import { removeIfPossible } from '../../host/remove.ts';

// A Unix socket's path has at most 107 bytes, and ssh appends 17 while it creates one.
const MAX_PATH_BYTES = 90;

/** A folder (mode 0700) that is removed on disposal, or by a later run after this process was killed. */
export interface TemporaryFolder extends Disposable {
  readonly path: string;
}

/**
 * @param stateFolder where its path is noted, for removal by a later run
 * @param bases where it may be made: the first writable one, else `stateFolder`
 */
export const makeTemporaryFolder = (stateFolder: string, bases: readonly string[]): TemporaryFolder => {
  makeFolders(stateFolder, 0o700);
  removeStale(stateFolder);
  const base = bases.find(isWritable) ?? stateFolder;
  const path = mkdtempSync(join(base, 'isocket-'));
  chmodSync(path, 0o700);
  const note = join(stateFolder, `temporary-${process.pid}-${path.slice(-6)}`);
  writeFileSync(note, path, { mode: 0o600 });
  return {
    path,
    [Symbol.dispose]: () => {
      removeIfPossible(path);
      removeIfPossible(note);
    },
  };
};

const isWritable = (folder: string): boolean => {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** A folder for the master's socket. Its path is short, and has no character that a shell or rsync's `-e` would split. */
export interface ControlFolder extends TemporaryFolder {
  readonly socket: string;
}

export const makeControlFolder = (stateFolder: string): ControlFolder => {
  const folder = makeTemporaryFolder(stateFolder, [baseFolder()]);
  return { ...folder, socket: join(folder.path, 's') };
};

const baseFolder = (): string => {
  const fits = (folder: string | undefined): folder is string =>
    folder !== undefined && /^\/[\w./+-]+$/.test(folder) && `${folder}/isocket-XXXXXX/s`.length < MAX_PATH_BYTES;
  return [process.env.XDG_RUNTIME_DIR, tmpdir()].find(fits) ?? '/tmp';
};

/** Removes only folders of processes that have ended: `isocket check` runs beside a daemon. */
const removeStale = (stateFolder: string): void => {
  for (const name of readdirSync(stateFolder)) {
    const pid = /^temporary-(\d+)-\w{6}$/.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    const note = join(stateFolder, name);
    const path = readFileSync(note, 'utf8');
    if (/\/isocket-\w{6}$/.test(path)) removeIfPossible(path);
    removeIfPossible(note);
  }
};
