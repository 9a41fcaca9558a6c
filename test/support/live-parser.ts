import { writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { produce } from './invariant.ts';
import type { Random } from './producers.ts';

const FILES_A_DIRECTORY = 60;

/** A parser that keeps writing whatever happens to isocket: file after file, and each directory closed before the next. */
export const startParser = (root: string, random: Random) => {
  let [files, directories, isOver] = [0, 1, false];
  const close = (): void => writeFileSync(`${root}/DC${directories}/finished.parse`, '');
  const producing = (async () => {
    while (!isOver) {
      files += 1;
      const isBig = random.below(40) === 0;
      const path = `DC${directories}/${random.below(4) === 0 ? 'sub/' : ''}f${files}`;
      produce(root, path, isBig ? 700_000 : 1 + random.below(20_000));
      if (files % FILES_A_DIRECTORY === 0) {
        close();
        directories += 1;
      }
      await delay(random.below(50));
    }
    produce(root, `DC${directories}/last`, 1);
    close();
  })();
  return {
    /** Closes the last directory. Resolves with the number of directories. */
    end: async (): Promise<number> => {
      isOver = true;
      await producing;
      return directories;
    },
  };
};
