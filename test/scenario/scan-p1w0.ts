import { parser } from '../support/parser.ts';
import { destinationOf, expectFinished, expectShipped, rootOf, scanOnce } from './expect.ts';
import { main, type Scenario } from './scenario.ts';

/** finished.parse alone: everything is sent, verified and finished, sub-directories and all. */
export const scanP1W0: Scenario = {
  setup: (folder) => {
    const { writeFiles, writeFile, closeDirectory } = parser(rootOf(folder));
    writeFiles('DC1', 20);
    writeFile('DC1/sub/deep/file', 300_000);
    writeFile('DC1/empty', 0);
    closeDirectory('DC1');
  },
  execute: async (folder, server) => {
    await scanOnce(folder, server);
  },
  verify: (folder) => {
    expectShipped(rootOf(folder), destinationOf(folder), 'DC1');
    expectFinished(rootOf(folder), 'DC1', true);
  },
};

await main(import.meta, scanP1W0);
