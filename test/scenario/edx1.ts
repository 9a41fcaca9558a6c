import { equal } from 'node:assert/strict';
import { parser } from '../support/parser.ts';
import { makeSite } from '../support/site.ts';
import { destinationOf, expectFinished, expectShipped, rootOf } from './expect.ts';
import { main, type Scenario } from './scenario.ts';

const DIRECTORIES = ['DC1', 'DC2', 'DC3'];

/** One ED to one DRMS: directory after directory arrives while passes go on; each file goes once. */
export const edx1: Scenario = {
  setup: (folder) => {
    parser(rootOf(folder)).writeFiles('DC1', 10);
  },
  execute: async (folder, server) => {
    const site = makeSite(folder, server);
    const { writeFile, writeFiles, closeDirectory } = parser(site.root);
    let sent = 0;
    for (const [index, directory] of DIRECTORIES.entries()) {
      writeFiles(directory, 10);
      sent += (await site.scan()).summary?.sent ?? 0;
      writeFile(`${directory}/late`);
      sent += (await site.scan()).summary?.sent ?? 0;
      // The second one is never closed by the parser: the third supersedes it.
      if (index !== 1) closeDirectory(directory);
    }
    const { exitCode, summary } = await site.scan();
    equal(exitCode, 0);
    equal(sent + (summary?.sent ?? 0), 33);
  },
  verify: (folder) => {
    for (const directory of DIRECTORIES) {
      expectShipped(rootOf(folder), destinationOf(folder), directory);
      expectFinished(rootOf(folder), directory, true);
    }
  },
};

await main(import.meta, edx1);
