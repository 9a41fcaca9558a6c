import { realpathSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isWithin, leadsInto, resolvePath } from '../../check/overlap.ts';
import { systemErrorCode, UserError } from '../../errors.ts';
import { workingFolder } from '../../host/home.ts';
import { ownCommand } from '../../host/own-command.ts';
import { makeFolders } from '../../host/make-folders.ts';
import { fsPath, showName, type Name } from '../../name.ts';
import { cannotKeep } from '../../maintain/restore/local-errors.ts';
import { belowRoot } from './site-path.ts';

/** A directory of the site by what the user writes, whether or not it is here. @throws UserError */
export const namedDirectory = (argument: Name, root: Name): Name => {
  const name = belowRoot(argument, root, workingFolder());
  if (name !== undefined && !name.includes('/')) return name;
  throw new UserError(`Cannot use "${showName(argument)}": it is not the name of a directory of the site`, {
    hint: `name a directory as ${ownCommand('list')} shows it; a whole one is brought back`,
  });
};

/**
 * The folder that `--to` names, without links; made where it is missing.
 * @throws UserError where it is part of the site, or cannot be used
 */
export const targetFolder = (
  to: Name,
  { root, state, makes }: { readonly root: Name; readonly state: Name; readonly makes: boolean },
): Name => {
  const path = resolve(workingFolder(), to);
  const file = fileOnTheWay(path);
  if (file !== undefined)
    throw new UserError(`Cannot restore to "${showName(to)}": "${showName(file)}" is no folder`, {
      hint: 'name a folder with --to',
    });
  if (leadsInto(path, state))
    throw new UserError(`Cannot restore to "${showName(to)}": isocket keeps its own state there`, {
      hint: 'name another folder with --to',
    });
  if (leadsInto(path, root))
    throw new UserError(`Cannot restore to "${showName(to)}": it lies in source.root, and would be sent again`, {
      hint: 'leave --to out to bring directories back into the site, or name a folder outside',
    });
  if (!makes) return resolvePath(path);
  try {
    makeFolders(path, 0o777);
    return realpathSync(fsPath(path));
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    throw cannotKeep(path, error);
  }
};

/** What stands where a folder must be, the path itself or one above it. */
const fileOnTheWay = (path: Name): Name | undefined => {
  try {
    const stats = statSync(fsPath(path), { throwIfNoEntry: false });
    if (stats !== undefined) return stats.isDirectory() ? undefined : path;
  } catch (error) {
    const code = systemErrorCode(error);
    if (code !== 'ENOTDIR') {
      if (code === undefined) throw error;
      return undefined; // What makes the folder says why it cannot.
    }
  }
  return path === dirname(path) ? undefined : fileOnTheWay(dirname(path));
};

/** The folder may be one in which the root itself is a directory of that name. @throws UserError */
export const refuseRootIn = (folder: Name, directory: Name, root: Name): void => {
  const [path, real] = [`${folder === '/' ? '' : folder}/${directory}`, resolvePath(root)];
  if (!isWithin(real, path) && !isWithin(path, real)) return;
  throw new UserError(`Cannot restore ${showName(directory)} to "${showName(folder)}": source.root is there`, {
    hint: 'name another folder with --to',
  });
};
