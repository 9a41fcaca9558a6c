import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { systemErrorCode } from '../../errors.ts';
import { CHILD_OPTIONS } from '../../host/child-options.ts';
import type { Name } from '../../name.ts';
import type { Incoming } from './incoming.ts';

/** So many fsyncs cost less than to sync a whole file system. */
const FEW = 8;

/**
 * Puts files that are whole on stable storage, before they get their names: many of them with one syncfs of their file system, through
 * sync(1) as Node has none.
 * @param folder is on the file system of all of them
 * @throws system errors
 */
export const syncFiles = async (folder: Name, files: readonly Incoming[]): Promise<void> => {
  if (files.length > FEW && (await syncFileSystem(folder))) return;
  let isLeft = false;
  for (const file of files) {
    try {
      await file.sync();
    } catch (error) {
      // Its own bits may keep even its owner from opening it.
      if (systemErrorCode(error) !== 'EACCES') throw error;
      isLeft = true;
    }
  }
  if (isLeft) await syncFileSystem(folder);
};

/** False where there is no such program, or it knows no such option. */
export const syncFileSystem = async (folder: Name): Promise<boolean> => {
  if (!folder.isWellFormed()) return false; // No argument can be so.
  const child = spawn('sync', ['-f', '--', folder], { ...CHILD_OPTIONS, stdio: 'ignore' });
  try {
    const [code] = (await once(child, 'exit')) as [number | null];
    return code === 0;
  } catch {
    return false;
  }
};
