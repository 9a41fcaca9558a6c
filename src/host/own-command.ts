import { shellWord, type Name } from '../name.ts';

let named: readonly string[] = [];

/** Commands that are told from now on name this configuration. */
export const nameConfig = (path: string): void => {
  named = ['--config', path];
};

/** A command of isocket that may be pasted into a shell. It names the configuration where this process was told which. */
export const ownCommand = (...words: readonly Name[]): string => commandLine([...named, ...words]);

/** isocket with these arguments, for a shell. */
export const commandLine = (words: readonly Name[]): string =>
  ['isocket', ...words.map((word) => (/^--?[\w-]+$/.test(word) ? word : shellWord(word)))].join(' ');
