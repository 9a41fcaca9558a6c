import { posix } from 'node:path';
import { z } from 'zod';
import { ConfigError, problemsOf } from '../../core/config-problems.ts';
import { destinationPath, hostKey, localFile } from '../../core/destination-words.ts';
import { openSshKeys, openSshLogin, type OpenSshLogin } from '../../ssh/program/options.ts';

/** The `destination` section of an `rsync` destination: contract.md §6. */
export interface RsyncOptions extends OpenSshLogin {
  /** Where directories go, without a slash at the end: "/backup/ED1", "./backup" below the home, "" for the root. */
  readonly path: string;
}

export const rsyncOptionsSchema = z.strictObject({
  transport: z.literal('rsync'),
  path: destinationPath(z.string().regex(/^[^\0\r\n]+$/, { error: 'a path at the destination' })).describe(
    'DC1/sub/file lands below it; with rrsync relative to its folder',
  ),
  ...openSshKeys,
  host: hostKey.describe('A name, an address, or a Host of ssh_config'),
  identityFile: localFile(openSshKeys.identityFile),
  passphraseFile: localFile(openSshKeys.passphraseFile),
  knownHosts: localFile(openSshKeys.knownHosts),
});

/** `posix.normalize` is pure; rrsync refuses a path that is not normal. */
const plainPath = (path: string): string => {
  const plain = posix.normalize(path).replace(/\/+$/, '');
  return plain.startsWith('/') || plain === '' || plain === '.' ? plain : `./${plain}`;
};

/** Pure. @throws ConfigError with every problem of the section */
export const parseRsyncOptions = (input: Readonly<Record<string, unknown>>): RsyncOptions => {
  const parsed = rsyncOptionsSchema.safeParse(input);
  if (!parsed.success) throw new ConfigError('destination', problemsOf(parsed.error, input, rsyncOptionsSchema));
  return {
    ...openSshLogin(parsed.data),
    // Without "./" a relative path could be read as an option, a daemon's module or a home.
    path: plainPath(parsed.data.path),
  };
};
