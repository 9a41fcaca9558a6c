import { execa } from 'execa';

/** Gives a folder room for about a megabyte, until disposed. */
export const makeSmall = (path: string): Promise<AsyncDisposable> =>
  switchOn(['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', path], ['umount', '-l', path]);

/** Lets nobody, the superuser among them, make anything in a folder, until disposed. */
export const makeReadOnly = (path: string): Promise<AsyncDisposable> =>
  switchOn(['chattr', '+i', path], ['chattr', '-i', path]);

const switchOn = async (on: readonly string[], off: readonly string[]): Promise<AsyncDisposable> => {
  const run = async ([file = '', ...args]: readonly string[]): Promise<void> => {
    await execa(file, args);
  };
  await run(on);
  return { [Symbol.asyncDispose]: () => run(off) };
};
