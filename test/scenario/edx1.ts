import { equal } from 'node:assert/strict';
import { parser } from '../support/parser.ts';
import { makeSite } from '../support/site.ts';
import { destinationOf, expectFinished, expectShipped, rootOf } from './expect.ts';
import { main, type Scenario } from './scenario.ts';

const DIRECTORIES = ['DC1', 'DC2', 'DC3'];

/** One ED to one DRMS: directory after directory arrives while the daemon runs. */
export const edx1: Scenario = {
  setup: (folder) => {
    parser(rootOf(folder)).writeFiles('DC1', 10);
  },
  execute: async (folder, server) => {
    const site = makeSite(folder, server);
    const { writeFile, writeFiles, closeDirectory } = parser(site.root);
    await using daemon = site.start(['daemon']);
    for (const [index, directory] of DIRECTORIES.entries()) {
      writeFiles(directory, 10);
      await daemon.event((event) => event.type === 'sent' && event.path.startsWith(`${directory}/`));
      writeFile(`${directory}/late`);
      await daemon.event((event) => event.type === 'sent' && event.path === `${directory}/late`);
      // The second one is never closed by the parser: the third supersedes it.
      if (index !== 1) closeDirectory(directory);
    }
    for (const directory of DIRECTORIES) {
      await daemon.event((event) => event.type === 'finished' && event.directory === directory);
    }
    equal(await daemon.stop(), 143);
    equal(daemon.stderr(), '');
  },
  verify: (folder) => {
    for (const directory of DIRECTORIES) {
      expectShipped(rootOf(folder), destinationOf(folder), directory);
      expectFinished(rootOf(folder), directory, true);
    }
  },
};

await main(import.meta, edx1);
