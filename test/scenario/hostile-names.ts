import { mkdirSync, writeFileSync } from 'node:fs';
import { hostileNames, parser } from '../support/parser.ts';
import { destinationOf, expectFinished, expectShipped, rootOf, scanOnce } from './expect.ts';
import { main, type Scenario } from './scenario.ts';

/** Names may hold any byte but "/" and NUL: of files, of sub-directories, of directories. */
export const hostileNamesScenario: Scenario = {
  setup: (folder) => {
    const root = rootOf(folder);
    for (const directory of ['DC 1', 'DC資料']) {
      mkdirSync(`${root}/${directory}`, { recursive: true });
      for (const name of hostileNames) {
        const folderOfThatName = Buffer.concat([Buffer.from(`${root}/${directory}/folders/`), name]);
        mkdirSync(folderOfThatName, { recursive: true });
        for (const place of [Buffer.from(`${root}/${directory}`), folderOfThatName]) {
          writeFileSync(Buffer.concat([place, Buffer.from('/'), name]), name);
        }
      }
      parser(root).closeDirectory(directory);
    }
  },
  execute: async (folder, server) => {
    await scanOnce(folder, server);
  },
  verify: (folder) => {
    for (const directory of ['DC 1', 'DC資料']) {
      expectShipped(rootOf(folder), destinationOf(folder), directory);
      expectFinished(rootOf(folder), directory, true);
    }
  },
};

await main(import.meta, hostileNamesScenario);
