import { mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { systemErrorCode } from '../errors.ts';
import { fsPath, type Name } from '../name.ts';

/**
 * Makes a folder and those above it that are missing, each once. Not by `mkdir` with `recursive`: where the system says of a folder that is
 * there that a name cannot be made in it since it is not there (/proc), Node tries for ever, and no signal is heard.
 * @throws the system error of the folder that cannot be made
 */
export const makeFolders = (path: Name, mode: number): void => {
  const missing: Name[] = [];
  for (let folder = resolve(path); !isFolder(folder); folder = dirname(folder)) missing.push(folder);
  for (const folder of missing.reverse()) makeFolder(folder, mode);
};

const isFolder = (path: string): boolean => {
  try {
    return statSync(fsPath(path)).isDirectory() || path === dirname(path);
  } catch (error) {
    // What is in the way is told by the attempt to make something in it.
    if (systemErrorCode(error) === undefined) throw error;
    return path === dirname(path);
  }
};

const makeFolder = (path: string, mode: number): void => {
  try {
    mkdirSync(fsPath(path), { mode });
  } catch (error) {
    // Another process was faster.
    if (systemErrorCode(error) !== 'EEXIST' || !isFolder(path)) throw error;
  }
};
