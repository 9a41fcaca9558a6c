import { lstatSync } from 'node:fs';
import { systemErrorCode, UserError } from '../errors.ts';
import { fsPath, showName, type Name } from '../name.ts';

/** 'none': it is not there, or the disk does not say. */
export const rootIdentity = (root: Name): string => {
  try {
    const { dev, ino } = lstatSync(fsPath(root), { bigint: true });
    return `${dev}:${ino}`;
  } catch (error) {
    if (systemErrorCode(error) === undefined) throw error;
    return 'none';
  }
};

export const replacedRoot = (root: Name): UserError =>
  new UserError(`Cannot go on with source.root "${showName(root)}": it is another folder than at the start`, {
    hint: 'was it unmounted? Put it back, or restart isocket to work on what is there now',
  });
