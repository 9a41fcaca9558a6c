import { execa } from 'execa';

/** Limits a folder to about a megabyte, until disposed. */
export const makeSmall = (path: string): Promise<AsyncDisposable> =>
  applyUntilDisposed(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', path], ['umount', '-l', path]);

/** Makes a folder read-only for everyone, root included, until disposed. */
export const makeReadOnly = (path: string): Promise<AsyncDisposable> =>
  applyUntilDisposed(['chattr', '+i', path], ['chattr', '-i', path]);

/** Lets nothing in a folder be renamed or removed by anybody, until disposed. */
export const makeAppendOnly = (path: string): Promise<AsyncDisposable> =>
  applyUntilDisposed(['chattr', '+a', path], ['chattr', '-a', path]);

const applyUntilDisposed = async (on: readonly string[], off: readonly string[]): Promise<AsyncDisposable> => {
  const run = async ([file = '', ...args]: readonly string[]): Promise<void> => {
    await execa(file, args);
  };
  await run(on);
  return { [Symbol.asyncDispose]: () => run(off) };
};
