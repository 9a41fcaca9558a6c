import { closeSync, constants, fsync, lstatSync, openSync } from 'node:fs';
import { setImmediate as immediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { ConfinedFolder } from './confined-folder.ts';

const fsyncAsync = promisify(fsync);

/** Puts the names in folders on stable storage: one fsync for all that wait for one folder when it begins. */
export class FolderSyncs {
  readonly #waiting = new Map<string, Promise<void>>();
  readonly #running = new Map<string, Promise<void>>();

  /**
   * What was done in the folder before the call is on stable storage when it resolves.
   * @throws the system's error; rejects with that of fsync
   */
  sync(folder: ConfinedFolder, path: Buffer): Promise<void> {
    return folder.at(path, (resolved) => {
      // By what it is, not by its name: another folder may have it by now.
      const { dev, ino } = lstatSync(resolved, { bigint: true });
      const key = `${dev}:${ino}`;
      const waiting = this.#waiting.get(key);
      if (waiting !== undefined) return waiting;
      const fd = openSync(resolved, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
      const next = this.#next(key, fd);
      this.#waiting.set(key, next);
      return next;
    });
  }

  async #next(key: string, fd: number): Promise<void> {
    try {
      // What is renamed while a sync runs may be too late for it. And those of this turn come in one.
      await Promise.all([this.#running.get(key)?.catch(() => undefined), immediate()]);
      this.#waiting.delete(key);
      const running = fsyncAsync(fd);
      this.#running.set(key, running);
      await running.finally(() => {
        if (this.#running.get(key) === running) this.#running.delete(key);
      });
    } finally {
      closeSync(fd);
    }
  }
}
