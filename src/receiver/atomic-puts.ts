import { createHash } from 'node:crypto';
import { constants, fchmodSync, fstatSync, lstatSync, renameSync, unlinkSync, type Stats } from 'node:fs';
import { encodeName } from '../name.ts';
import { Status } from '../sftp/protocol.ts';
import { isTemporary } from './append-only.ts';
import type { ChangeRules } from './change-rules.ts';
import { parseClientPath, showClientPath } from './client-path.ts';
import type { ConfinedFolder, ResolvedPath } from './confined-folder.ts';
import { moveIfFree } from './name-if-free.ts';
import { RefusedError } from './refused-error.ts';

/** A temporary name of isocket, with an owner that no site has. */
const temporaryName = (name: string): string =>
  `.isocket-00000000-${createHash('sha256').update(encodeName(name)).digest('hex').slice(0, 32)}.part`;

/**
 * For one session: a file that is created, or replaced from its beginning, is written under a temporary name, and gets its own with
 * CLOSE. For its session it is under its own name meanwhile. A file that is there and is opened without TRUNC (to resume, to append)
 * is changed in place. Whoever opens the same name later takes it over; the CLOSE of the one before fails then.
 */
export const createAtomicPuts = (rules: ChangeRules, folder: ConfinedFolder): ChangeRules => {
  /** Temporary paths, by the path that the file will have. */
  const pending = new Map<string, Buffer>();

  const open: ChangeRules['open'] = (path, resolved, flags, mode) => {
    const existing = lstatSync(resolved, { throwIfNoEntry: false });
    if (!isPut(path, existing, flags)) return rules.open(path, resolved, flags, mode);
    const names = parseClientPath(path);
    const name = showClientPath(names);
    const final = encodeName(name);
    if (existing !== undefined && rules.keepVersion === undefined) rules.assertFile(final, () => existing);
    const temporary = encodeName(showClientPath([...names.slice(0, -1), temporaryName(names.at(-1) ?? '')]));
    const opened = folder.at(temporary, (place) => {
      if (lstatSync(place, { throwIfNoEntry: false })) unlinkSync(place);
      return rules.open(temporary, place, (flags & ~constants.O_TRUNC) | constants.O_EXCL, mode);
    });
    if (existing !== undefined) fchmodSync(opened.fd, existing.mode & 0o777);
    const { ino } = fstatSync(opened.fd);
    pending.set(name, temporary);
    const { keepsFiles = false, keepVersion } = rules;
    const isNew = (keepsFiles && keepVersion === undefined) || (flags & constants.O_EXCL) !== 0;
    return {
      ...opened,
      publish: () => {
        folder.atBoth(temporary, final, (source, target) => {
          assertOurs(source, ino);
          const give = (): void => publish(source, target, isNew);
          if (!isNew && keepVersion !== undefined && lstatSync(target, { throwIfNoEntry: false }))
            keepVersion(target, give);
          else give();
        });
        forget(pending, name, temporary);
      },
      discard: () => {
        forget(pending, name, temporary);
        discard(folder, temporary, ino);
      },
    };
  };

  return { ...rules, open, whereIs: (path) => pending.get(showClientPath(parseClientPath(path))) };
};

const isPut = (path: Buffer, existing: Stats | undefined, flags: number): boolean => {
  if ((flags & constants.O_CREAT) === 0 || isTemporary(path)) return false;
  return (
    existing === undefined ||
    (existing.isFile() && (flags & constants.O_TRUNC) !== 0 && (flags & constants.O_EXCL) === 0)
  );
};

const forget = (pending: Map<string, Buffer>, name: string, temporary: Buffer): void => {
  if (pending.get(name) === temporary) pending.delete(name);
};

const assertOurs = (source: ResolvedPath, ino: number): void => {
  if (lstatSync(source, { throwIfNoEntry: false })?.ino !== ino)
    throw new RefusedError(Status.FAILURE, 'another client writes this file now');
};

const publish = (source: ResolvedPath, target: ResolvedPath, isNew: boolean): void => {
  if (isNew) moveIfFree(source, target);
  else renameSync(source, target);
};

const discard = (folder: ConfinedFolder, temporary: Buffer, ino: number): void => {
  try {
    folder.at(temporary, (place) => {
      if (lstatSync(place, { throwIfNoEntry: false })?.ino === ino) unlinkSync(place);
    });
  } catch {
    // The next put of that name removes it.
  }
};
