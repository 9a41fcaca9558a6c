import { realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import { isWithin, resolvePath } from '../../check/overlap.ts';
import { systemErrorCode, UserError } from '../../errors.ts';
import { workingFolder } from '../../host/home.ts';
import { makeFolders } from '../../host/make-folders.ts';
import { fsPath, showName, type Name } from '../../name.ts';
import { cannotKeep } from '../../maintain/restore/local-errors.ts';
import { belowRoot } from './site-path.ts';

/** A directory of the site by what the user writes, whether or not it is here. @throws UserError */
export const namedDirectory = (argument: Name, root: Name): Name => {
  const name = belowRoot(argument, root, workingFolder());
  if (name !== undefined && !name.includes('/')) return name;
  throw new UserError(`Cannot use "${showName(argument)}": it is not the name of a directory of the site`, {
    hint: 'name a directory as isocket list shows it; a whole one is brought back',
  });
};

/**
 * The folder that `--to` names, without links; made where it is missing.
 * @throws UserError where it is part of the site, or cannot be used
 */
export const targetFolder = (to: Name, { root, makes }: { readonly root: Name; readonly makes: boolean }): Name => {
  const path = resolve(workingFolder(), to);
  if (isWithin(resolvePath(path), resolvePath(root)))
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

/** The folder may be one in which the root itself is a directory of that name. @throws UserError */
export const refuseRootIn = (folder: Name, directory: Name, root: Name): void => {
  const [path, real] = [`${folder === '/' ? '' : folder}/${directory}`, resolvePath(root)];
  if (!isWithin(real, path) && !isWithin(path, real)) return;
  throw new UserError(`Cannot restore ${showName(directory)} to "${showName(folder)}": source.root is there`, {
    hint: 'name another folder with --to',
  });
};
