import { execa } from 'execa';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const PROGRAM = new URL('sick-mount.py', import.meta.url).pathname;

/** A FUSE mount of a folder, which fails as it is told. */
export interface SickMount extends AsyncDisposable {
  /** The folder that is mounted: nothing fails in it. */
  readonly behind: string;
  /** "EIO any /sub": one line a fault, from now on. */
  fail(...faults: readonly string[]): void;
  /** Its server answers nothing until this is called: whatever touches the mount hangs. */
  hang(): () => void;
  /** Kills its server: whatever touches the mount gets ENOTCONN. */
  kill(): Promise<void>;
}

/**
 * @param mount an empty folder, or one that is to be made
 * @param names `caseless`: what differs in case only is one file; `cached`: and the kernel keeps what it read by name;
 * `fat`: one second in two, some names refused, no permissions; `no chmod`: and whoever sets them is told so
 */
export const mountSick = async (
  behind: string,
  mount: string,
  names: 'exact' | 'caseless' | 'caseless, cached' | 'fat' | 'fat, no chmod' = 'exact',
): Promise<SickMount> => {
  const faults = `${behind}.faults`;
  mkdirSync(behind, { recursive: true });
  mkdirSync(mount, { recursive: true });
  writeFileSync(faults, '');
  const server = execa('/usr/bin/python3', [PROGRAM, behind, mount, faults, names], { reject: false, stdin: 'ignore' });
  let isOver = false as boolean;
  const ended = server.then(({ stderr }) => {
    isOver = true;
    return stderr;
  });
  const isMounted = (): boolean => readFileSync('/proc/self/mounts', 'utf8').includes(` ${mount} fuse`);
  while (!isMounted()) {
    if (isOver) throw new Error(`cannot mount: ${await ended}`);
    await delay(10);
  }
  const kill = async (): Promise<void> => {
    server.kill('SIGKILL');
    await ended;
  };
  return {
    behind,
    fail: (...lines) => writeFileSync(faults, lines.map((line) => `${line}\n`).join('')),
    hang: () => {
      server.kill('SIGSTOP');
      return () => server.kill('SIGCONT');
    },
    kill,
    [Symbol.asyncDispose]: async () => {
      await execa('umount', ['-l', mount], { reject: false });
      await kill();
    },
  };
};
