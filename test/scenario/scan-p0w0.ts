import { parser } from '../support/parser.ts';
import { destinationOf, expectFinished, expectShipped, rootOf, scanOnce } from './expect.ts';
import { main, type Scenario } from './scenario.ts';

/** Neither marker, and a newer directory: the parser moved on. It is sent and finished; the newest one stays open. */
export const scanP0W0: Scenario = {
  setup: (folder) => {
    const { writeFiles } = parser(rootOf(folder));
    writeFiles('DC1', 20);
    writeFiles('DC2', 5);
  },
  execute: async (folder, server) => {
    await scanOnce(folder, server);
  },
  verify: (folder) => {
    for (const directory of ['DC1', 'DC2']) expectShipped(rootOf(folder), destinationOf(folder), directory);
    expectFinished(rootOf(folder), 'DC1', true);
    expectFinished(rootOf(folder), 'DC2', false);
  },
};

await main(import.meta, scanP0W0);
