import { plainMessage, systemErrorCode, TransportError, UserError } from '../../errors.ts';
import { showName, type Name } from '../../name.ts';
import type { StoredEntry } from '../../transport.ts';
import { knownCureOf } from '../../source/directory-failures.ts';

/** So it is with every other file too. */
const OF_DISK: ReadonlySet<string> = new Set(
  'ENOSPC EDQUOT EROFS EIO ENOTCONN ESTALE EMFILE ENFILE EUCLEAN ENOMEM'.split(' '),
);

export const isOfDisk = (error: unknown): boolean => OF_DISK.has(systemErrorCode(error) ?? '');

const IN_THE_WAY: Readonly<Record<string, string>> = {
  ELOOP: 'a symbolic link stands where a folder must be',
  ENOTDIR: 'something that is no folder, or a link to one, stands where a folder must be',
  EISDIR: 'a folder stands where the file must be',
};

/** What nothing is put over, whatever the options. */
export const MOVE_AWAY = 'move it away, or restore to another folder with --to';

/** A link, or something that is no folder, stands where a folder must be. */
export const isInTheWay = (error: unknown): boolean => Object.hasOwn(IN_THE_WAY, systemErrorCode(error) ?? '');

/** What this disk refuses → an error that names it. @throws what is no system error */
export const cannotKeep = (path: Name, cause: unknown): UserError => {
  const code = systemErrorCode(cause);
  if (code === undefined) throw cause;
  const inTheWay = IN_THE_WAY[code];
  return new UserError(`Cannot restore "${showName(path)}": ${inTheWay ?? plainMessage(cause)}`, {
    hint: inTheWay === undefined ? (knownCureOf(cause) ?? 'let the user that runs isocket write there') : MOVE_AWAY,
    exitCode: 3,
    cause,
  });
};

export const asFileError = (message: string, hint: string | undefined, cause: unknown): TransportError =>
  new TransportError('file', message, { cause, ...(hint === undefined ? {} : { hint }) });

export const keepsChanging = ({ path }: StoredEntry, label: string): TransportError =>
  new TransportError('file', `Cannot restore "${showName(path)}": it changed at ${label} whenever it was read`, {
    hint: 'see what writes there, and run it again when that is over',
  });
