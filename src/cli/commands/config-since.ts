import { UserError } from '../../errors.ts';
import type { CommonOptions } from '../options.ts';
import { findConfigFor, readConfig } from './open-site.ts';

/** A message that lists its problems on lines of their own, for a log: one line an event. */
export const inOneLine = (message: string): string => message.replace(/\s*\n\s*/, ': ').replace(/\s*\n\s*/g, '; ');

const ignore = (): void => undefined;

/**
 * Remembers the configuration that a long-running command began with. The function that it resolves with compares it with the one on
 * the disk and says in a sentence what is to be done; undefined: nothing.
 */
export const rememberConfig = async (options: CommonOptions): Promise<() => Promise<string | undefined>> => {
  const snapshot = async (): Promise<string> => JSON.stringify(await findConfigFor(options, ignore));
  const before = await snapshot();
  return async () => {
    try {
      const isSame = (await snapshot()) === before;
      await readConfig(options, ignore);
      return isSame
        ? undefined
        : 'The configuration was changed since the start and is not in use yet: restart isocket';
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return `The configuration that isocket began with stays in use. ${inOneLine(error.message)}; correct it, then restart isocket`;
    }
  };
};
