import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// A socket's path may have 107 bytes, and ssh adds 17 while it makes one.
const MOST_BYTES = 90;

/** A folder of our own (mode 0700) that is gone when we are, and removed by a later run where we were killed. */
export interface NotedFolder extends Disposable {
  readonly path: string;
}

/**
 * @param stateFolder where to remember it
 * @param bases where it may be made; the first one that can be written
 */
export const makeNotedFolder = (stateFolder: string, bases: readonly string[]): NotedFolder => {
  mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
  removeLeftOvers(stateFolder);
  const base = bases.find(isWritable) ?? stateFolder;
  const path = mkdtempSync(join(base, 'isocket-'));
  chmodSync(path, 0o700);
  const note = join(stateFolder, `temporary-${process.pid}-${path.slice(-6)}`);
  writeFileSync(note, path, { mode: 0o600 });
  return {
    path,
    [Symbol.dispose]: () => {
      rmSync(path, { recursive: true, force: true });
      rmSync(note, { force: true });
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

/** A folder for the master's socket, with a short path that no program would split. */
export interface ControlFolder extends NotedFolder {
  readonly socket: string;
}

export const makeControlFolder = (stateFolder: string): ControlFolder => {
  const folder = makeNotedFolder(stateFolder, [baseFolder()]);
  return { ...folder, socket: join(folder.path, 's') };
};

const baseFolder = (): string => {
  const fits = (folder: string | undefined): folder is string =>
    folder !== undefined && /^\/[\w./+-]+$/.test(folder) && `${folder}/isocket-XXXXXX/s`.length < MOST_BYTES;
  return [process.env.XDG_RUNTIME_DIR, tmpdir()].find(fits) ?? '/tmp';
};

/** Those of processes that are gone: `isocket check` may look while the daemon's master lives. */
const removeLeftOvers = (stateFolder: string): void => {
  for (const name of readdirSync(stateFolder)) {
    const pid = /^temporary-(\d+)-\w{6}$/.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    const note = join(stateFolder, name);
    const path = readFileSync(note, 'utf8');
    if (/\/isocket-\w{6}$/.test(path)) rmSync(path, { recursive: true, force: true });
    rmSync(note, { force: true });
  }
};
