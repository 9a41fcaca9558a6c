import {
  chmodSync,
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

/** A folder of our own (mode 0700) for the master's socket, with a short path that no program would split. */
export interface ControlFolder extends Disposable {
  readonly path: string;
  readonly socket: string;
}

/** @param stateFolder where to remember the folder, so that a later run removes what a killed one left */
export const makeControlFolder = (stateFolder: string): ControlFolder => {
  mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
  removeLeftOvers(stateFolder);
  const path = mkdtempSync(join(baseFolder(), 'isocket-'));
  chmodSync(path, 0o700);
  const note = join(stateFolder, `control-${process.pid}-${path.slice(-6)}`);
  writeFileSync(note, path, { mode: 0o600 });
  return {
    path,
    socket: join(path, 's'),
    [Symbol.dispose]: () => {
      rmSync(path, { recursive: true, force: true });
      rmSync(note, { force: true });
    },
  };
};

const baseFolder = (): string => {
  const fits = (folder: string | undefined): folder is string =>
    folder !== undefined && /^\/[\w./+-]+$/.test(folder) && `${folder}/isocket-XXXXXX/s`.length < MOST_BYTES;
  return [process.env.XDG_RUNTIME_DIR, tmpdir()].find(fits) ?? '/tmp';
};

/** Those of processes that are gone: `isocket check` may look while the daemon's master lives. */
const removeLeftOvers = (stateFolder: string): void => {
  for (const name of readdirSync(stateFolder)) {
    const pid = /^control-(\d+)-\w{6}$/.exec(name)?.[1];
    if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
    const note = join(stateFolder, name);
    const path = readFileSync(note, 'utf8');
    if (/\/isocket-\w{6}$/.test(path)) rmSync(path, { recursive: true, force: true });
    rmSync(note, { force: true });
  }
};
